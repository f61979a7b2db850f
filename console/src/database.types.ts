export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[];

export type Database = {
  "public": {
    Tables: {
      "account_differences": {
        Row: {
          "account_id": string;
          "currency": string;
          "day": string;
          "difference": number | null;
          "looked_at": string;
          "recorded_change": number | null;
          "recorded_from": number;
          "recorded_to": number;
          "rounding": number;
          "since": string | null;
          "user_id": string;
          "venue_change": number | null;
          "venue_from": number;
          "venue_to": number;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "currency": string;
          "day": string;
          "difference"?: never;
          "looked_at": string;
          "recorded_change"?: never;
          "recorded_from": number;
          "recorded_to": number;
          "rounding": number;
          "since"?: string | null;
          "user_id": string;
          "venue_change"?: never;
          "venue_from": number;
          "venue_to": number;
        };
        Update: {
          "account_id"?: string;
          "currency"?: string;
          "day"?: string;
          "difference"?: never;
          "looked_at"?: string;
          "recorded_change"?: never;
          "recorded_from"?: number;
          "recorded_to"?: number;
          "rounding"?: number;
          "since"?: string | null;
          "user_id"?: string;
          "venue_change"?: never;
          "venue_from"?: number;
          "venue_to"?: number;
        };
        Relationships: [
          {
            foreignKeyName: "account_differences_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
        ];
      };
      "account_events": {
        Row: {
          "account_id": string;
          "actor": string;
          "created_at": string;
          "details": NonNullable<Json>;
          "event_type": string;
          "id": number;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "actor": string;
          "created_at"?: string;
          "details"?: NonNullable<Json>;
          "event_type": string;
          "id"?: never;
          "user_id": string;
        };
        Update: {
          "account_id"?: string;
          "actor"?: string;
          "created_at"?: string;
          "details"?: NonNullable<Json>;
          "event_type"?: string;
          "id"?: never;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "account_incomes": {
        Row: {
          "account_id": string;
          "amount": number;
          "amount_quote": number;
          "created_at": string;
          "currency": string;
          "id": string;
          "kind": string;
          "occurred_at": string;
          "position_id": string | null;
          "symbol": string | null;
          "user_id": string;
          "venue_income_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "amount": number;
          "amount_quote": number;
          "created_at"?: string;
          "currency": string;
          "id": string;
          "kind": string;
          "occurred_at": string;
          "position_id"?: string | null;
          "symbol"?: string | null;
          "user_id": string;
          "venue_income_id": string;
        };
        Update: {
          "account_id"?: string;
          "amount"?: number;
          "amount_quote"?: number;
          "created_at"?: string;
          "currency"?: string;
          "id"?: string;
          "kind"?: string;
          "occurred_at"?: string;
          "position_id"?: string | null;
          "symbol"?: string | null;
          "user_id"?: string;
          "venue_income_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "account_incomes_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "account_incomes_position_id_fkey";
            columns: ["position_id"];
            isOneToOne: false;
            referencedRelation: "positions";
            referencedColumns: ["id"];
          },
        ];
      };
      "alerts": {
        Row: {
          "acknowledged_at": string | null;
          "acknowledged_by": string | null;
          "details": NonNullable<Json>;
          "id": string;
          "key": string;
          "kind": string;
          "last_at": string;
          "machine_id": string | null;
          "note": string | null;
          "raised_at": string;
          "resolved_at": string | null;
          "severity": Database["public"]["Enums"]["alert_severity"];
          "times": number;
          "title": string;
          "user_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "acknowledged_at"?: string | null;
          "acknowledged_by"?: string | null;
          "details"?: NonNullable<Json>;
          "id"?: string;
          "key": string;
          "kind": string;
          "last_at"?: string;
          "machine_id"?: string | null;
          "note"?: string | null;
          "raised_at"?: string;
          "resolved_at"?: string | null;
          "severity": Database["public"]["Enums"]["alert_severity"];
          "times"?: number;
          "title": string;
          "user_id"?: string | null;
        };
        Update: {
          "acknowledged_at"?: string | null;
          "acknowledged_by"?: string | null;
          "details"?: NonNullable<Json>;
          "id"?: string;
          "key"?: string;
          "kind"?: string;
          "last_at"?: string;
          "machine_id"?: string | null;
          "note"?: string | null;
          "raised_at"?: string;
          "resolved_at"?: string | null;
          "severity"?: Database["public"]["Enums"]["alert_severity"];
          "times"?: number;
          "title"?: string;
          "user_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "alerts_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "archive_files": {
        Row: {
          "byte_count": number;
          "content_hash": string;
          "created_at": string;
          "creation_count": number;
          "epoch": string;
          "file_hash": string;
          "first_user_id": string | null;
          "from_tx": number;
          "id": number;
          "kind": string;
          "last_user_id": string | null;
          "number": number;
          "part": number;
          "partition_day": string;
          "path": string;
          "row_count": number;
          "snapshot_xmin": number;
          "to_tx": number;
          "verified_at": string | null;
        };
        ComputedFields: never;
        Insert: {
          "byte_count": number;
          "content_hash": string;
          "created_at"?: string;
          "creation_count"?: number;
          "epoch": string;
          "file_hash": string;
          "first_user_id"?: string | null;
          "from_tx": number;
          "id"?: never;
          "kind": string;
          "last_user_id"?: string | null;
          "number"?: number;
          "part": number;
          "partition_day": string;
          "path": string;
          "row_count": number;
          "snapshot_xmin": number;
          "to_tx": number;
          "verified_at"?: string | null;
        };
        Update: {
          "byte_count"?: number;
          "content_hash"?: string;
          "created_at"?: string;
          "creation_count"?: number;
          "epoch"?: string;
          "file_hash"?: string;
          "first_user_id"?: string | null;
          "from_tx"?: number;
          "id"?: never;
          "kind"?: string;
          "last_user_id"?: string | null;
          "number"?: number;
          "part"?: number;
          "partition_day"?: string;
          "path"?: string;
          "row_count"?: number;
          "snapshot_xmin"?: number;
          "to_tx"?: number;
          "verified_at"?: string | null;
        };
        Relationships: [];
      };
      "audit_seals": {
        Row: {
          "content_hash": string;
          "epoch": string;
          "event_count": number;
          "from_tx": number | null;
          "key_id": string;
          "kind": string;
          "number": number;
          "partition_day": string | null;
          "previous_hash": string | null;
          "reference": number | null;
          "sealed_at": string;
          "signature": string;
          "to_tx": number | null;
        };
        ComputedFields: never;
        Insert: {
          "content_hash": string;
          "epoch": string;
          "event_count"?: number;
          "from_tx"?: number | null;
          "key_id": string;
          "kind": string;
          "number": number;
          "partition_day"?: string | null;
          "previous_hash"?: string | null;
          "reference"?: number | null;
          "sealed_at": string;
          "signature": string;
          "to_tx"?: number | null;
        };
        Update: {
          "content_hash"?: string;
          "epoch"?: string;
          "event_count"?: number;
          "from_tx"?: number | null;
          "key_id"?: string;
          "kind"?: string;
          "number"?: number;
          "partition_day"?: string | null;
          "previous_hash"?: string | null;
          "reference"?: number | null;
          "sealed_at"?: string;
          "signature"?: string;
          "to_tx"?: number | null;
        };
        Relationships: [];
      };
      "backtests": {
        Row: {
          "created_at": string;
          "ends_at": string;
          "equity": NonNullable<Json>;
          "figures": NonNullable<Json>;
          "id": string;
          "name": string;
          "report": NonNullable<Json>;
          "starts_at": string;
          "trades": NonNullable<Json>;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "ends_at": string;
          "equity": NonNullable<Json>;
          "figures": NonNullable<Json>;
          "id"?: string;
          "name": string;
          "report": NonNullable<Json>;
          "starts_at": string;
          "trades": NonNullable<Json>;
          "user_id": string;
        };
        Update: {
          "created_at"?: string;
          "ends_at"?: string;
          "equity"?: NonNullable<Json>;
          "figures"?: NonNullable<Json>;
          "id"?: string;
          "name"?: string;
          "report"?: NonNullable<Json>;
          "starts_at"?: string;
          "trades"?: NonNullable<Json>;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "backtests_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "cloud_machines": {
        Row: {
          "created_at": string;
          "details": NonNullable<Json>;
          "id": string;
          "last_heartbeat_at": string;
          "machine_id": string;
          "region": string | null;
          "roles": (string)[];
          "started_at": string;
          "status": string;
          "version": string | null;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "details"?: NonNullable<Json>;
          "id"?: string;
          "last_heartbeat_at"?: string;
          "machine_id": string;
          "region"?: string | null;
          "roles"?: (string)[];
          "started_at"?: string;
          "status"?: string;
          "version"?: string | null;
        };
        Update: {
          "created_at"?: string;
          "details"?: NonNullable<Json>;
          "id"?: string;
          "last_heartbeat_at"?: string;
          "machine_id"?: string;
          "region"?: string | null;
          "roles"?: (string)[];
          "started_at"?: string;
          "status"?: string;
          "version"?: string | null;
        };
        Relationships: [];
      };
      "exchange_accounts": {
        Row: {
          "ciphertext": string | null;
          "created_at": string;
          "id": string;
          "key_info": NonNullable<Json>;
          "key_number": number;
          "key_version": number | null;
          "lease_fence": number;
          "lease_machine": string | null;
          "leased_until": string | null;
          "market": string;
          "name": string;
          "permissions": string;
          "salt": string | null;
          "sandbox": boolean;
          "settings": NonNullable<Json>;
          "status": Database["public"]["Enums"]["account_status"];
          "updated_at": string;
          "user_id": string;
          "venue": string;
        };
        ComputedFields: never;
        Insert: {
          "ciphertext"?: string | null;
          "created_at"?: string;
          "id"?: string;
          "key_info"?: NonNullable<Json>;
          "key_number"?: number;
          "key_version"?: number | null;
          "lease_fence"?: number;
          "lease_machine"?: string | null;
          "leased_until"?: string | null;
          "market": string;
          "name": string;
          "permissions"?: string;
          "salt"?: string | null;
          "sandbox"?: boolean;
          "settings"?: NonNullable<Json>;
          "status"?: Database["public"]["Enums"]["account_status"];
          "updated_at"?: string;
          "user_id"?: string;
          "venue": string;
        };
        Update: {
          "ciphertext"?: string | null;
          "created_at"?: string;
          "id"?: string;
          "key_info"?: NonNullable<Json>;
          "key_number"?: number;
          "key_version"?: number | null;
          "lease_fence"?: number;
          "lease_machine"?: string | null;
          "leased_until"?: string | null;
          "market"?: string;
          "name"?: string;
          "permissions"?: string;
          "salt"?: string | null;
          "sandbox"?: boolean;
          "settings"?: NonNullable<Json>;
          "status"?: Database["public"]["Enums"]["account_status"];
          "updated_at"?: string;
          "user_id"?: string;
          "venue"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "exchange_accounts_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "external_orders": {
        Row: {
          "account_id": string;
          "amount": number;
          "client_order_id": string | null;
          "filled": number;
          "first_seen_at": string;
          "last_seen_at": string;
          "side": string | null;
          "status": string;
          "symbol": string;
          "user_id": string;
          "venue_order_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "amount": number;
          "client_order_id"?: string | null;
          "filled"?: number;
          "first_seen_at": string;
          "last_seen_at": string;
          "side"?: string | null;
          "status": string;
          "symbol": string;
          "user_id": string;
          "venue_order_id": string;
        };
        Update: {
          "account_id"?: string;
          "amount"?: number;
          "client_order_id"?: string | null;
          "filled"?: number;
          "first_seen_at"?: string;
          "last_seen_at"?: string;
          "side"?: string | null;
          "status"?: string;
          "symbol"?: string;
          "user_id"?: string;
          "venue_order_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "external_orders_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
        ];
      };
      "model_calls": {
        Row: {
          "answer": Json | null;
          "answered_at": string | null;
          "asked_at": string;
          "attempts": number;
          "call_id": string;
          "completion_tokens": number;
          "cost": number;
          "day": string;
          "is_open": boolean;
          "latency_ms": number;
          "machine": string;
          "model": string;
          "prompt_tokens": number;
          "request": NonNullable<Json>;
          "reserved": number;
          "signal_id": string;
          "trader_id": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "answer"?: Json | null;
          "answered_at"?: string | null;
          "asked_at"?: string;
          "attempts": number;
          "call_id": string;
          "completion_tokens"?: number;
          "cost"?: number;
          "day": string;
          "is_open": boolean;
          "latency_ms"?: number;
          "machine": string;
          "model": string;
          "prompt_tokens"?: number;
          "request": NonNullable<Json>;
          "reserved": number;
          "signal_id": string;
          "trader_id": string;
          "user_id": string;
        };
        Update: {
          "answer"?: Json | null;
          "answered_at"?: string | null;
          "asked_at"?: string;
          "attempts"?: number;
          "call_id"?: string;
          "completion_tokens"?: number;
          "cost"?: number;
          "day"?: string;
          "is_open"?: boolean;
          "latency_ms"?: number;
          "machine"?: string;
          "model"?: string;
          "prompt_tokens"?: number;
          "request"?: NonNullable<Json>;
          "reserved"?: number;
          "signal_id"?: string;
          "trader_id"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "model_calls_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "order_events": {
        Row: {
          "created_at": string;
          "event_data": NonNullable<Json>;
          "event_type": string;
          "from_status": Database["public"]["Enums"]["order_status"] | null;
          "number": number;
          "occurred_at": string;
          "order_id": string;
          "signal_id": string;
          "to_status": Database["public"]["Enums"]["order_status"];
          "tx": number;
          "user_id": string;
          "worker": string | null;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "event_data"?: NonNullable<Json>;
          "event_type": string;
          "from_status"?: Database["public"]["Enums"]["order_status"] | null;
          "number": number;
          "occurred_at": string;
          "order_id": string;
          "signal_id": string;
          "to_status": Database["public"]["Enums"]["order_status"];
          "tx"?: number;
          "user_id": string;
          "worker"?: string | null;
        };
        Update: {
          "created_at"?: string;
          "event_data"?: NonNullable<Json>;
          "event_type"?: string;
          "from_status"?: Database["public"]["Enums"]["order_status"] | null;
          "number"?: number;
          "occurred_at"?: string;
          "order_id"?: string;
          "signal_id"?: string;
          "to_status"?: Database["public"]["Enums"]["order_status"];
          "tx"?: number;
          "user_id"?: string;
          "worker"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "order_events_order_id_fkey";
            columns: ["order_id"];
            isOneToOne: false;
            referencedRelation: "orders";
            referencedColumns: ["id"];
          },
        ];
      };
      "orders": {
        Row: {
          "account_id": string;
          "amount": number;
          "attached": boolean;
          "attempt": number;
          "average": number | null;
          "by_venue": boolean;
          "client_order_id": string;
          "closed_at": string | null;
          "code": string | null;
          "confirmed_at": string | null;
          "cost": number;
          "created_at": string;
          "expires_at": string | null;
          "fees": number;
          "filled": number;
          "holding_seconds": number | null;
          "id": string;
          "intended_at": string;
          "is_live": boolean;
          "kind": string;
          "leg": Database["public"]["Enums"]["order_leg"];
          "lot": number | null;
          "managed_by": string;
          "message": string | null;
          "normalised_symbol": string;
          "planned_price": number | null;
          "post_only": boolean;
          "price": number | null;
          "reduce_only": boolean;
          "sent_at": string | null;
          "side": string;
          "signal_id": string;
          "status": Database["public"]["Enums"]["order_status"];
          "status_at": string;
          "stop_loss": number | null;
          "symbol": string;
          "take_profit": number | null;
          "trader_id": string;
          "trailing_percent": number | null;
          "trigger_price": number | null;
          "updated_at": string;
          "user_id": string;
          "venue_order_id": string | null;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "amount": number;
          "attached"?: boolean;
          "attempt"?: number;
          "average"?: number | null;
          "by_venue"?: boolean;
          "client_order_id": string;
          "closed_at"?: string | null;
          "code"?: string | null;
          "confirmed_at"?: string | null;
          "cost"?: number;
          "created_at"?: string;
          "expires_at"?: string | null;
          "fees"?: number;
          "filled"?: number;
          "holding_seconds"?: number | null;
          "id": string;
          "intended_at": string;
          "is_live"?: never;
          "kind": string;
          "leg": Database["public"]["Enums"]["order_leg"];
          "lot"?: number | null;
          "managed_by"?: string;
          "message"?: string | null;
          "normalised_symbol": string;
          "planned_price"?: number | null;
          "post_only"?: boolean;
          "price"?: number | null;
          "reduce_only"?: boolean;
          "sent_at"?: string | null;
          "side": string;
          "signal_id": string;
          "status"?: Database["public"]["Enums"]["order_status"];
          "status_at": string;
          "stop_loss"?: number | null;
          "symbol": string;
          "take_profit"?: number | null;
          "trader_id": string;
          "trailing_percent"?: number | null;
          "trigger_price"?: number | null;
          "updated_at"?: string;
          "user_id": string;
          "venue_order_id"?: string | null;
        };
        Update: {
          "account_id"?: string;
          "amount"?: number;
          "attached"?: boolean;
          "attempt"?: number;
          "average"?: number | null;
          "by_venue"?: boolean;
          "client_order_id"?: string;
          "closed_at"?: string | null;
          "code"?: string | null;
          "confirmed_at"?: string | null;
          "cost"?: number;
          "created_at"?: string;
          "expires_at"?: string | null;
          "fees"?: number;
          "filled"?: number;
          "holding_seconds"?: number | null;
          "id"?: string;
          "intended_at"?: string;
          "is_live"?: never;
          "kind"?: string;
          "leg"?: Database["public"]["Enums"]["order_leg"];
          "lot"?: number | null;
          "managed_by"?: string;
          "message"?: string | null;
          "normalised_symbol"?: string;
          "planned_price"?: number | null;
          "post_only"?: boolean;
          "price"?: number | null;
          "reduce_only"?: boolean;
          "sent_at"?: string | null;
          "side"?: string;
          "signal_id"?: string;
          "status"?: Database["public"]["Enums"]["order_status"];
          "status_at"?: string;
          "stop_loss"?: number | null;
          "symbol"?: string;
          "take_profit"?: number | null;
          "trader_id"?: string;
          "trailing_percent"?: number | null;
          "trigger_price"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "venue_order_id"?: string | null;
        };
        Relationships: [
          {
            foreignKeyName: "orders_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
        ];
      };
      "outcome_codes": {
        Row: {
          "code": string;
          "description": string;
          "status": Database["public"]["Enums"]["signal_status"];
        };
        ComputedFields: never;
        Insert: {
          "code": string;
          "description": string;
          "status": Database["public"]["Enums"]["signal_status"];
        };
        Update: {
          "code"?: string;
          "description"?: string;
          "status"?: Database["public"]["Enums"]["signal_status"];
        };
        Relationships: [];
      };
      "positions": {
        Row: {
          "account_id": string;
          "amount": number;
          "close_state": string | null;
          "closed_at": string | null;
          "closes_at": string | null;
          "created_at": string;
          "entry_amount": number;
          "entry_average": number | null;
          "entry_slippage": number;
          "exit_amount": number;
          "exit_average": number | null;
          "exit_reason": string | null;
          "exit_slippage": number;
          "fees": number;
          "gross_pnl": number | null;
          "id": string;
          "initial_stop_loss": number;
          "liquidation_price": number | null;
          "lot": number;
          "mark_price": number | null;
          "marked_at": string | null;
          "normalised_symbol": string;
          "opened_at": string;
          "realized_pnl": number;
          "side": Database["public"]["Enums"]["trade_side"];
          "signal_id": string;
          "status": Database["public"]["Enums"]["position_status"];
          "status_at": string;
          "stop_loss": number;
          "symbol": string;
          "take_profit": number | null;
          "trader_id": string;
          "trailing_percent": number | null;
          "updated_at": string;
          "user_id": string;
          "written_off": number;
          "recomputed_pnl": number | null;
        };
        ComputedFields: "recomputed_pnl";
        Insert: {
          "account_id": string;
          "amount"?: number;
          "close_state"?: never;
          "closed_at"?: string | null;
          "closes_at"?: string | null;
          "created_at"?: string;
          "entry_amount"?: number;
          "entry_average"?: number | null;
          "entry_slippage"?: number;
          "exit_amount"?: number;
          "exit_average"?: number | null;
          "exit_reason"?: string | null;
          "exit_slippage"?: number;
          "fees"?: number;
          "gross_pnl"?: never;
          "id": string;
          "initial_stop_loss": number;
          "liquidation_price"?: number | null;
          "lot": number;
          "mark_price"?: number | null;
          "marked_at"?: string | null;
          "normalised_symbol": string;
          "opened_at": string;
          "realized_pnl"?: number;
          "side": Database["public"]["Enums"]["trade_side"];
          "signal_id": string;
          "status"?: Database["public"]["Enums"]["position_status"];
          "status_at": string;
          "stop_loss": number;
          "symbol": string;
          "take_profit"?: number | null;
          "trader_id": string;
          "trailing_percent"?: number | null;
          "updated_at"?: string;
          "user_id": string;
          "written_off"?: number;
        };
        Update: {
          "account_id"?: string;
          "amount"?: number;
          "close_state"?: never;
          "closed_at"?: string | null;
          "closes_at"?: string | null;
          "created_at"?: string;
          "entry_amount"?: number;
          "entry_average"?: number | null;
          "entry_slippage"?: number;
          "exit_amount"?: number;
          "exit_average"?: number | null;
          "exit_reason"?: string | null;
          "exit_slippage"?: number;
          "fees"?: number;
          "gross_pnl"?: never;
          "id"?: string;
          "initial_stop_loss"?: number;
          "liquidation_price"?: number | null;
          "lot"?: number;
          "mark_price"?: number | null;
          "marked_at"?: string | null;
          "normalised_symbol"?: string;
          "opened_at"?: string;
          "realized_pnl"?: number;
          "side"?: Database["public"]["Enums"]["trade_side"];
          "signal_id"?: string;
          "status"?: Database["public"]["Enums"]["position_status"];
          "status_at"?: string;
          "stop_loss"?: number;
          "symbol"?: string;
          "take_profit"?: number | null;
          "trader_id"?: string;
          "trailing_percent"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "written_off"?: number;
        };
        Relationships: [
          {
            foreignKeyName: "positions_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "positions_exit_reason_fkey";
            columns: ["exit_reason"];
            isOneToOne: false;
            referencedRelation: "outcome_codes";
            referencedColumns: ["code"];
          },
        ];
      };
      "risk_limits": {
        Row: {
          "account_id": string | null;
          "created_at": string;
          "id": string;
          "max_daily_loss": number | null;
          "max_drawdown": number | null;
          "max_notional": number | null;
          "max_orders_per_minute": number | null;
          "max_positions": number | null;
          "max_symbol_notional": number | null;
          "reduce_at_percent": number;
          "trader_id": string | null;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id"?: string | null;
          "created_at"?: string;
          "id"?: string;
          "max_daily_loss"?: number | null;
          "max_drawdown"?: number | null;
          "max_notional"?: number | null;
          "max_orders_per_minute"?: number | null;
          "max_positions"?: number | null;
          "max_symbol_notional"?: number | null;
          "reduce_at_percent"?: number;
          "trader_id"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Update: {
          "account_id"?: string | null;
          "created_at"?: string;
          "id"?: string;
          "max_daily_loss"?: number | null;
          "max_drawdown"?: number | null;
          "max_notional"?: number | null;
          "max_orders_per_minute"?: number | null;
          "max_positions"?: number | null;
          "max_symbol_notional"?: number | null;
          "reduce_at_percent"?: number;
          "trader_id"?: string | null;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "risk_limits_account_id_user_id_fkey";
            columns: ["account_id", "user_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id", "user_id"];
          },
          {
            foreignKeyName: "risk_limits_trader_id_fkey";
            columns: ["trader_id"];
            isOneToOne: true;
            referencedRelation: "traders";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "risk_limits_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "risk_measures": {
        Row: {
          "day": string;
          "day_start": number;
          "peak": number;
          "subject": string;
          "subject_id": string;
          "total": number;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "day": string;
          "day_start"?: number;
          "peak"?: number;
          "subject": string;
          "subject_id": string;
          "total"?: number;
          "updated_at"?: string;
          "user_id": string;
        };
        Update: {
          "day"?: string;
          "day_start"?: number;
          "peak"?: number;
          "subject"?: string;
          "subject_id"?: string;
          "total"?: number;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "risk_measures_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "signal_counts": {
        Row: {
          "count": number;
          "hour": string;
          "shard": number;
          "status": Database["public"]["Enums"]["signal_status"];
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "count": number;
          "hour": string;
          "shard": number;
          "status": Database["public"]["Enums"]["signal_status"];
          "user_id": string;
        };
        Update: {
          "count"?: number;
          "hour"?: string;
          "shard"?: number;
          "status"?: Database["public"]["Enums"]["signal_status"];
          "user_id"?: string;
        };
        Relationships: [];
      };
      "signal_events": {
        Row: {
          "created_at": string;
          "error_info": Json | null;
          "event_data": Json | null;
          "event_type": Database["public"]["Enums"]["signal_event_type"];
          "execution_id": string | null;
          "from_status": Database["public"]["Enums"]["signal_status"] | null;
          "location": Database["public"]["Enums"]["pipeline_location"];
          "number": number;
          "occurred_at": string;
          "order_id": string | null;
          "position_id": string | null;
          "signal_id": string;
          "to_status": Database["public"]["Enums"]["signal_status"] | null;
          "tx": number;
          "user_id": string;
          "worker": string | null;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "error_info"?: Json | null;
          "event_data"?: Json | null;
          "event_type": Database["public"]["Enums"]["signal_event_type"];
          "execution_id"?: string | null;
          "from_status"?: Database["public"]["Enums"]["signal_status"] | null;
          "location": Database["public"]["Enums"]["pipeline_location"];
          "number": number;
          "occurred_at": string;
          "order_id"?: string | null;
          "position_id"?: string | null;
          "signal_id": string;
          "to_status"?: Database["public"]["Enums"]["signal_status"] | null;
          "tx"?: number;
          "user_id": string;
          "worker"?: string | null;
        };
        Update: {
          "created_at"?: string;
          "error_info"?: Json | null;
          "event_data"?: Json | null;
          "event_type"?: Database["public"]["Enums"]["signal_event_type"];
          "execution_id"?: string | null;
          "from_status"?: Database["public"]["Enums"]["signal_status"] | null;
          "location"?: Database["public"]["Enums"]["pipeline_location"];
          "number"?: number;
          "occurred_at"?: string;
          "order_id"?: string | null;
          "position_id"?: string | null;
          "signal_id"?: string;
          "to_status"?: Database["public"]["Enums"]["signal_status"] | null;
          "tx"?: number;
          "user_id"?: string;
          "worker"?: string | null;
        };
        Relationships: [];
      };
      "signal_metrics_summary": {
        Row: {
          "approved_signals": number;
          "avg_processing_time": string | null;
          "closed_signals": number;
          "created_at": string;
          "expired_signals": number;
          "failed_signals": number;
          "period_end": string;
          "period_start": string;
          "period_type": string;
          "processed_signals": number;
          "processing_time": string;
          "rejected_signals": number;
          "total_pnl": number;
          "total_signals": number;
          "traded_signals": number;
          "updated_at": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "approved_signals"?: number;
          "avg_processing_time"?: never;
          "closed_signals"?: number;
          "created_at"?: string;
          "expired_signals"?: number;
          "failed_signals"?: number;
          "period_end": string;
          "period_start": string;
          "period_type": string;
          "processed_signals"?: number;
          "processing_time"?: string;
          "rejected_signals"?: number;
          "total_pnl"?: number;
          "total_signals"?: number;
          "traded_signals"?: number;
          "updated_at"?: string;
          "user_id": string;
        };
        Update: {
          "approved_signals"?: number;
          "avg_processing_time"?: never;
          "closed_signals"?: number;
          "created_at"?: string;
          "expired_signals"?: number;
          "failed_signals"?: number;
          "period_end"?: string;
          "period_start"?: string;
          "period_type"?: string;
          "processed_signals"?: number;
          "processing_time"?: string;
          "rejected_signals"?: number;
          "total_pnl"?: number;
          "total_signals"?: number;
          "traded_signals"?: number;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "signal_monitoring_snapshots": {
        Row: {
          "action": string;
          "confidence": number | null;
          "created_at": string;
          "indicators": Json | null;
          "number": number;
          "occurred_at": string;
          "price": number;
          "price_change_1m": number | null;
          "price_change_5m": number | null;
          "reasoning": string | null;
          "signal_id": string;
          "user_id": string;
          "volume": number | null;
        };
        ComputedFields: never;
        Insert: {
          "action": string;
          "confidence"?: number | null;
          "created_at"?: string;
          "indicators"?: Json | null;
          "number": number;
          "occurred_at": string;
          "price": number;
          "price_change_1m"?: number | null;
          "price_change_5m"?: number | null;
          "reasoning"?: string | null;
          "signal_id": string;
          "user_id": string;
          "volume"?: number | null;
        };
        Update: {
          "action"?: string;
          "confidence"?: number | null;
          "created_at"?: string;
          "indicators"?: Json | null;
          "number"?: number;
          "occurred_at"?: string;
          "price"?: number;
          "price_change_1m"?: number | null;
          "price_change_5m"?: number | null;
          "reasoning"?: string | null;
          "signal_id"?: string;
          "user_id"?: string;
          "volume"?: number | null;
        };
        Relationships: [];
      };
      "signal_orders": {
        Row: {
          "created_at": string;
          "order_id": string;
          "order_type": Database["public"]["Enums"]["order_leg"];
          "signal_id": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "order_id": string;
          "order_type": Database["public"]["Enums"]["order_leg"];
          "signal_id": string;
          "user_id": string;
        };
        Update: {
          "created_at"?: string;
          "order_id"?: string;
          "order_type"?: Database["public"]["Enums"]["order_leg"];
          "signal_id"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "signal_orders_order_id_fkey";
            columns: ["order_id"];
            isOneToOne: false;
            referencedRelation: "orders";
            referencedColumns: ["id"];
          },
        ];
      };
      "signal_positions": {
        Row: {
          "created_at": string;
          "position_id": string;
          "signal_id": string;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "position_id": string;
          "signal_id": string;
          "user_id": string;
        };
        Update: {
          "created_at"?: string;
          "position_id"?: string;
          "signal_id"?: string;
          "user_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "signal_positions_position_id_fkey";
            columns: ["position_id"];
            isOneToOne: false;
            referencedRelation: "positions";
            referencedColumns: ["id"];
          },
        ];
      };
      "signal_queue": {
        Row: {
          "attempts": number;
          "available_at": string;
          "counted": boolean;
          "fence": number;
          "leased_by": string | null;
          "leased_until": string | null;
          "signal_id": string;
          "stage": string;
        };
        ComputedFields: never;
        Insert: {
          "attempts"?: number;
          "available_at": string;
          "counted"?: boolean;
          "fence"?: number;
          "leased_by"?: string | null;
          "leased_until"?: string | null;
          "signal_id": string;
          "stage": string;
        };
        Update: {
          "attempts"?: number;
          "available_at"?: string;
          "counted"?: boolean;
          "fence"?: number;
          "leased_by"?: string | null;
          "leased_until"?: string | null;
          "signal_id"?: string;
          "stage"?: string;
        };
        Relationships: [];
      };
      "signal_share_machines": {
        Row: {
          "heard_until": string;
          "machine_id": string;
          "market": string;
          "most": number;
          "venue": string;
        };
        ComputedFields: never;
        Insert: {
          "heard_until": string;
          "machine_id": string;
          "market": string;
          "most": number;
          "venue": string;
        };
        Update: {
          "heard_until"?: string;
          "machine_id"?: string;
          "market"?: string;
          "most"?: number;
          "venue"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "signal_share_machines_machine_id_fkey";
            columns: ["machine_id"];
            isOneToOne: true;
            referencedRelation: "cloud_machines";
            referencedColumns: ["machine_id"];
          },
        ];
      };
      "signal_shares": {
        Row: {
          "evaluated_to": number | null;
          "fence": number;
          "leased_until": string | null;
          "machine_id": string | null;
          "market": string;
          "share": number;
          "taken_at": string | null;
          "venue": string;
        };
        ComputedFields: never;
        Insert: {
          "evaluated_to"?: number | null;
          "fence"?: number;
          "leased_until"?: string | null;
          "machine_id"?: string | null;
          "market": string;
          "share": number;
          "taken_at"?: string | null;
          "venue": string;
        };
        Update: {
          "evaluated_to"?: number | null;
          "fence"?: number;
          "leased_until"?: string | null;
          "machine_id"?: string | null;
          "market"?: string;
          "share"?: number;
          "taken_at"?: string | null;
          "venue"?: string;
        };
        Relationships: [];
      };
      "signal_watchers": {
        Row: {
          "next_at": string;
          "user_id": string;
          "watched_until": string;
        };
        ComputedFields: never;
        Insert: {
          "next_at"?: string;
          "user_id": string;
          "watched_until": string;
        };
        Update: {
          "next_at"?: string;
          "user_id"?: string;
          "watched_until"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "signal_watchers_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: true;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "signals": {
        Row: {
          "analysis_confidence": number | null;
          "analysis_result": Json | null;
          "analysis_trade_plan": Json | null;
          "analyzed_at": string | null;
          "closed_at": string | null;
          "created_at": string;
          "current_price": number | null;
          "error_count": number;
          "has_active_orders": boolean;
          "has_open_position": boolean;
          "id": string;
          "initial_price": number;
          "interval": string;
          "machine_id": string | null;
          "matched_conditions": NonNullable<Json>;
          "normalised_symbol": string;
          "original_signal": Json | null;
          "outcome_code": string | null;
          "position_opened_at": string | null;
          "ready_at": string | null;
          "retry_count": number;
          "side": Database["public"]["Enums"]["trade_side"];
          "source": Database["public"]["Enums"]["signal_source"];
          "status": Database["public"]["Enums"]["signal_status"];
          "status_at": string;
          "symbol": string;
          "tags": (string)[] | null;
          "total_orders_count": number;
          "total_pnl": number;
          "trader_id": string;
          "triggered_at": string;
          "updated_at": string;
          "user_id": string;
          "human_name": string | null;
          "trader": {
            "ai_analysis_limit": number | null;
            "conditions": (string)[];
            "counted_at": string | null;
            "created_at": string;
            "default_exchange_account_id": string | null;
            "id": string;
            "indicators": NonNullable<Json>;
            "interval": string;
            "market": string;
            "max_concurrent_positions": number;
            "max_holding_seconds": number | null;
            "min_confidence": number;
            "monitoring_interval_seconds": number;
            "name": string;
            "position_size_type": string;
            "position_size_value": number | null;
            "side": Database["public"]["Enums"]["trade_side"];
            "status": string;
            "stop_loss_type": string | null;
            "stop_loss_value": number | null;
            "strategy": string;
            "successful_signals": number;
            "symbols": (string)[];
            "take_profit_type": string | null;
            "take_profit_value": number | null;
            "total_pnl": number;
            "total_signals_generated": number;
            "total_trades_executed": number;
            "trailing_stop_type": string | null;
            "trailing_stop_value": number | null;
            "updated_at": string;
            "user_id": string;
            "winning_trades": number;
          } | null;
        };
        ComputedFields: "human_name" | "trader";
        Insert: {
          "analysis_confidence"?: number | null;
          "analysis_result"?: Json | null;
          "analysis_trade_plan"?: Json | null;
          "analyzed_at"?: string | null;
          "closed_at"?: string | null;
          "created_at"?: string;
          "current_price"?: number | null;
          "error_count"?: number;
          "has_active_orders"?: boolean;
          "has_open_position"?: boolean;
          "id": string;
          "initial_price": number;
          "interval": string;
          "machine_id"?: string | null;
          "matched_conditions"?: NonNullable<Json>;
          "normalised_symbol": string;
          "original_signal"?: Json | null;
          "outcome_code"?: string | null;
          "position_opened_at"?: string | null;
          "ready_at"?: string | null;
          "retry_count"?: number;
          "side": Database["public"]["Enums"]["trade_side"];
          "source"?: Database["public"]["Enums"]["signal_source"];
          "status"?: Database["public"]["Enums"]["signal_status"];
          "status_at"?: string;
          "symbol": string;
          "tags"?: (string)[] | null;
          "total_orders_count"?: number;
          "total_pnl"?: number;
          "trader_id": string;
          "triggered_at": string;
          "updated_at"?: string;
          "user_id": string;
        };
        Update: {
          "analysis_confidence"?: number | null;
          "analysis_result"?: Json | null;
          "analysis_trade_plan"?: Json | null;
          "analyzed_at"?: string | null;
          "closed_at"?: string | null;
          "created_at"?: string;
          "current_price"?: number | null;
          "error_count"?: number;
          "has_active_orders"?: boolean;
          "has_open_position"?: boolean;
          "id"?: string;
          "initial_price"?: number;
          "interval"?: string;
          "machine_id"?: string | null;
          "matched_conditions"?: NonNullable<Json>;
          "normalised_symbol"?: string;
          "original_signal"?: Json | null;
          "outcome_code"?: string | null;
          "position_opened_at"?: string | null;
          "ready_at"?: string | null;
          "retry_count"?: number;
          "side"?: Database["public"]["Enums"]["trade_side"];
          "source"?: Database["public"]["Enums"]["signal_source"];
          "status"?: Database["public"]["Enums"]["signal_status"];
          "status_at"?: string;
          "symbol"?: string;
          "tags"?: (string)[] | null;
          "total_orders_count"?: number;
          "total_pnl"?: number;
          "trader_id"?: string;
          "triggered_at"?: string;
          "updated_at"?: string;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "status_transitions": {
        Row: {
          "event_type": Database["public"]["Enums"]["signal_event_type"];
          "from_status": Database["public"]["Enums"]["signal_status"];
          "location": Database["public"]["Enums"]["pipeline_location"];
          "meaning": string;
          "to_status": Database["public"]["Enums"]["signal_status"];
        };
        ComputedFields: never;
        Insert: {
          "event_type": Database["public"]["Enums"]["signal_event_type"];
          "from_status": Database["public"]["Enums"]["signal_status"];
          "location": Database["public"]["Enums"]["pipeline_location"];
          "meaning": string;
          "to_status": Database["public"]["Enums"]["signal_status"];
        };
        Update: {
          "event_type"?: Database["public"]["Enums"]["signal_event_type"];
          "from_status"?: Database["public"]["Enums"]["signal_status"];
          "location"?: Database["public"]["Enums"]["pipeline_location"];
          "meaning"?: string;
          "to_status"?: Database["public"]["Enums"]["signal_status"];
        };
        Relationships: [];
      };
      "tiers": {
        Row: {
          "signals_per_day": number | null;
          "tier": Database["public"]["Enums"]["user_tier"];
          "writes_per_minute": number | null;
        };
        ComputedFields: never;
        Insert: {
          "signals_per_day"?: number | null;
          "tier": Database["public"]["Enums"]["user_tier"];
          "writes_per_minute"?: number | null;
        };
        Update: {
          "signals_per_day"?: number | null;
          "tier"?: Database["public"]["Enums"]["user_tier"];
          "writes_per_minute"?: number | null;
        };
        Relationships: [];
      };
      "trade_executions": {
        Row: {
          "account_id": string;
          "amount": number;
          "base_change": number | null;
          "cost": number | null;
          "created_at": string;
          "executed_at": string;
          "fee_cost": number;
          "fee_currency": string | null;
          "fee_from": string;
          "fee_open": string | null;
          "fee_quote": number | null;
          "id": string;
          "is_maker": boolean | null;
          "leg": Database["public"]["Enums"]["order_leg"];
          "normalised_symbol": string;
          "order_id": string;
          "position_id": string;
          "price": number;
          "quote_change": number | null;
          "side": string;
          "signal_id": string;
          "symbol": string;
          "user_id": string;
          "venue_order_id": string | null;
          "venue_trade_id": string;
        };
        ComputedFields: never;
        Insert: {
          "account_id": string;
          "amount": number;
          "base_change"?: never;
          "cost"?: never;
          "created_at"?: string;
          "executed_at": string;
          "fee_cost"?: number;
          "fee_currency"?: string | null;
          "fee_from"?: string;
          "fee_open"?: string | null;
          "fee_quote"?: number | null;
          "id": string;
          "is_maker"?: boolean | null;
          "leg": Database["public"]["Enums"]["order_leg"];
          "normalised_symbol": string;
          "order_id": string;
          "position_id": string;
          "price": number;
          "quote_change"?: never;
          "side": string;
          "signal_id": string;
          "symbol": string;
          "user_id": string;
          "venue_order_id"?: string | null;
          "venue_trade_id": string;
        };
        Update: {
          "account_id"?: string;
          "amount"?: number;
          "base_change"?: never;
          "cost"?: never;
          "created_at"?: string;
          "executed_at"?: string;
          "fee_cost"?: number;
          "fee_currency"?: string | null;
          "fee_from"?: string;
          "fee_open"?: string | null;
          "fee_quote"?: number | null;
          "id"?: string;
          "is_maker"?: boolean | null;
          "leg"?: Database["public"]["Enums"]["order_leg"];
          "normalised_symbol"?: string;
          "order_id"?: string;
          "position_id"?: string;
          "price"?: number;
          "quote_change"?: never;
          "side"?: string;
          "signal_id"?: string;
          "symbol"?: string;
          "user_id"?: string;
          "venue_order_id"?: string | null;
          "venue_trade_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "trade_executions_account_id_fkey";
            columns: ["account_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "trade_executions_order_id_fkey";
            columns: ["order_id"];
            isOneToOne: false;
            referencedRelation: "orders";
            referencedColumns: ["id"];
          },
          {
            foreignKeyName: "trade_executions_position_id_fkey";
            columns: ["position_id"];
            isOneToOne: false;
            referencedRelation: "positions";
            referencedColumns: ["id"];
          },
        ];
      };
      "trader_usage_daily": {
        Row: {
          "analyses": number;
          "day": string;
          "trader_id": string;
        };
        ComputedFields: never;
        Insert: {
          "analyses"?: number;
          "day": string;
          "trader_id": string;
        };
        Update: {
          "analyses"?: number;
          "day"?: string;
          "trader_id"?: string;
        };
        Relationships: [
          {
            foreignKeyName: "trader_usage_daily_trader_id_fkey";
            columns: ["trader_id"];
            isOneToOne: false;
            referencedRelation: "traders";
            referencedColumns: ["id"];
          },
        ];
      };
      "traders": {
        Row: {
          "ai_analysis_limit": number | null;
          "conditions": (string)[];
          "counted_at": string | null;
          "created_at": string;
          "default_exchange_account_id": string | null;
          "id": string;
          "indicators": NonNullable<Json>;
          "interval": string;
          "market": string;
          "max_concurrent_positions": number;
          "max_holding_seconds": number | null;
          "min_confidence": number;
          "monitoring_interval_seconds": number;
          "name": string;
          "position_size_type": string;
          "position_size_value": number | null;
          "side": Database["public"]["Enums"]["trade_side"];
          "status": string;
          "stop_loss_type": string | null;
          "stop_loss_value": number | null;
          "strategy": string;
          "successful_signals": number;
          "symbols": (string)[];
          "take_profit_type": string | null;
          "take_profit_value": number | null;
          "total_pnl": number;
          "total_signals_generated": number;
          "total_trades_executed": number;
          "trailing_stop_type": string | null;
          "trailing_stop_value": number | null;
          "updated_at": string;
          "user_id": string;
          "winning_trades": number;
        };
        ComputedFields: never;
        Insert: {
          "ai_analysis_limit"?: number | null;
          "conditions": (string)[];
          "counted_at"?: string | null;
          "created_at"?: string;
          "default_exchange_account_id"?: string | null;
          "id"?: string;
          "indicators"?: NonNullable<Json>;
          "interval": string;
          "market"?: string;
          "max_concurrent_positions"?: number;
          "max_holding_seconds"?: number | null;
          "min_confidence"?: number;
          "monitoring_interval_seconds"?: number;
          "name": string;
          "position_size_type"?: string;
          "position_size_value"?: number | null;
          "side"?: Database["public"]["Enums"]["trade_side"];
          "status"?: string;
          "stop_loss_type"?: string | null;
          "stop_loss_value"?: number | null;
          "strategy"?: string;
          "successful_signals"?: number;
          "symbols": (string)[];
          "take_profit_type"?: string | null;
          "take_profit_value"?: number | null;
          "total_pnl"?: number;
          "total_signals_generated"?: number;
          "total_trades_executed"?: number;
          "trailing_stop_type"?: string | null;
          "trailing_stop_value"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "winning_trades"?: number;
        };
        Update: {
          "ai_analysis_limit"?: number | null;
          "conditions"?: (string)[];
          "counted_at"?: string | null;
          "created_at"?: string;
          "default_exchange_account_id"?: string | null;
          "id"?: string;
          "indicators"?: NonNullable<Json>;
          "interval"?: string;
          "market"?: string;
          "max_concurrent_positions"?: number;
          "max_holding_seconds"?: number | null;
          "min_confidence"?: number;
          "monitoring_interval_seconds"?: number;
          "name"?: string;
          "position_size_type"?: string;
          "position_size_value"?: number | null;
          "side"?: Database["public"]["Enums"]["trade_side"];
          "status"?: string;
          "stop_loss_type"?: string | null;
          "stop_loss_value"?: number | null;
          "strategy"?: string;
          "successful_signals"?: number;
          "symbols"?: (string)[];
          "take_profit_type"?: string | null;
          "take_profit_value"?: number | null;
          "total_pnl"?: number;
          "total_signals_generated"?: number;
          "total_trades_executed"?: number;
          "trailing_stop_type"?: string | null;
          "trailing_stop_value"?: number | null;
          "updated_at"?: string;
          "user_id"?: string;
          "winning_trades"?: number;
        };
        Relationships: [
          {
            foreignKeyName: "a trader's account belongs to its owner";
            columns: ["default_exchange_account_id", "user_id"];
            isOneToOne: false;
            referencedRelation: "exchange_accounts";
            referencedColumns: ["id", "user_id"];
          },
          {
            foreignKeyName: "traders_user_id_fkey";
            columns: ["user_id"];
            isOneToOne: false;
            referencedRelation: "users";
            referencedColumns: ["id"];
          },
        ];
      };
      "usage_daily": {
        Row: {
          "day": string;
          "shard": number;
          "signals": number;
          "user_id": string;
        };
        ComputedFields: never;
        Insert: {
          "day": string;
          "shard": number;
          "signals"?: number;
          "user_id": string;
        };
        Update: {
          "day"?: string;
          "shard"?: number;
          "signals"?: number;
          "user_id"?: string;
        };
        Relationships: [];
      };
      "users": {
        Row: {
          "created_at": string;
          "email": string | null;
          "id": string;
          "tier": Database["public"]["Enums"]["user_tier"];
          "updated_at": string;
        };
        ComputedFields: never;
        Insert: {
          "created_at"?: string;
          "email"?: string | null;
          "id": string;
          "tier"?: Database["public"]["Enums"]["user_tier"];
          "updated_at"?: string;
        };
        Update: {
          "created_at"?: string;
          "email"?: string | null;
          "id"?: string;
          "tier"?: Database["public"]["Enums"]["user_tier"];
          "updated_at"?: string;
        };
        Relationships: [];
      };
    };
    Views: {
      [_ in never]: never;
    };
    Functions: {
      "acknowledge_alert": {
        Args: { "alert_id": string; "note"?: string; "who"?: string };
        Returns: boolean;
      };
      "begin_model_call": {
        Args: {
          "at"?: string;
          "at_most": number;
          "call_id": string;
          "daily_calls"?: number;
          "daily_cost"?: number;
          "fence": number;
          "model": string;
          "request": Json;
          "signal_id": string;
        };
        Returns: Json;
      };
      "claim_accounts": {
        Args: { "accounts"?: (string)[]; "lease_seconds"?: number; "max_rows"?: number };
        Returns: Json;
      };
      "claim_alerts": {
        Args: { "channels": (string)[]; "lease_seconds"?: number; "max_rows"?: number };
        Returns: {
          "alert": Json;
          "alert_id": string;
          "attempt": number;
          "channel": string;
          "idempotency_key": string;
          "news": string;
        }[];
      };
      "claim_work": {
        Args: {
          "after_fence"?: number;
          "at"?: string;
          "lease_seconds"?: number;
          "max_rows"?: number;
          "stage": string;
        };
        Returns: {
          "attempts": number;
          "available_at": string;
          "fence": number;
          "signal": Json;
          "signal_id": string;
          "trader": Json;
        }[];
      };
      "close_account": { Args: { "account_id": string; "who"?: string; "why": string }; Returns: Json };
      "close_everything": { Args: { "who"?: string; "why": string }; Returns: Json };
      "close_position": { Args: { "position_id": string; "who"?: string; "why": string }; Returns: Json };
      "complete_analysis": { Args: { "at"?: string; "results": Json }; Returns: Json };
      "count_signals": {
        Args: {
          "all_tags"?: (string)[];
          "any_tags"?: (string)[];
          "from_time"?: string;
          "machines"?: (string)[];
          "max_confidence"?: number;
          "min_confidence"?: number;
          "outcomes"?: (string)[];
          "search"?: string;
          "sides"?: (string)[];
          "sources"?: (string)[];
          "statuses"?: (string)[];
          "symbols"?: (string)[];
          "to_time"?: string;
          "traders"?: (string)[];
        };
        Returns: number;
      };
      "doctor": { Args: Record<PropertyKey, never>; Returns: Json };
      "end_model_call": {
        Args: { "at"?: string; "call_id": string; "result": Json; "signal_id": string };
        Returns: Json;
      };
      "expire_signals": { Args: { "at"?: string; "items": Json }; Returns: Json };
      "export_signals": {
        Args: {
          "all_tags"?: (string)[];
          "any_tags"?: (string)[];
          "before"?: string;
          "columns"?: (string)[];
          "from_time"?: string;
          "machines"?: (string)[];
          "max_confidence"?: number;
          "min_confidence"?: number;
          "outcomes"?: (string)[];
          "page_size"?: number;
          "search"?: string;
          "shape"?: string;
          "sides"?: (string)[];
          "sources"?: (string)[];
          "statuses"?: (string)[];
          "symbols"?: (string)[];
          "to_time"?: string;
          "traders"?: (string)[];
        };
        Returns: {
          "body": string;
          "next": string;
          "signals": number;
        }[];
      };
      "fail_analysis": { Args: { "at"?: string; "results": Json }; Returns: Json };
      "flush_broadcasts": { Args: Record<PropertyKey, never>; Returns: number };
      "human_name": {
        Args: {
          "signal": Omit<
            Database["public"]["Tables"]["signals"]["Row"],
            Database["public"]["Tables"]["signals"]["ComputedFields"]
          >;
        };
        Returns: string;
      };
      "ingest_signals": { Args: { "request_id"?: string; "signals": Json }; Returns: Json };
      "leave_shares": { Args: Record<PropertyKey, never>; Returns: undefined };
      "list_trading": { Args: { "account_id": string; "fence": number }; Returns: Json };
      "machine_attribution": {
        Args: { "from_day"?: string; "to_day"?: string };
        Returns: {
          "closed": number;
          "last_day": string;
          "machine_id": string;
          "region": string;
          "signals": number;
          "traded": number;
          "traders": number;
        }[];
      };
      "machine_health": {
        Args: Record<PropertyKey, never>;
        Returns: {
          "accounts": number;
          "alive": boolean;
          "errors": number;
          "last_heartbeat_at": string;
          "machine_id": string;
          "made": number;
          "region": string;
          "roles": (string)[];
          "spool_bytes": number;
          "spool_pending": number;
          "started_at": string;
          "status": string;
          "version": string;
        }[];
      };
      "machine_heartbeat": { Args: { "details"?: Json; "status": string }; Returns: undefined };
      "open_positions": {
        Args: Record<PropertyKey, never>;
        Returns: {
          "account_id": string;
          "amount": string;
          "closes_at": string;
          "entry_amount": string;
          "entry_average": string;
          "exit_reason": string;
          "fees": string;
          "id": string;
          "initial_stop_loss": string;
          "liquidation_price": string;
          "margin_warned_at": string;
          "margin_warning": string;
          "normalised_symbol": string;
          "opened_at": string;
          "price": string;
          "price_at": string;
          "price_source": string;
          "realized_pnl": string;
          "side": Database["public"]["Enums"]["trade_side"];
          "signal_id": string;
          "signal_name": string;
          "stop": Json;
          "stop_loss": string;
          "symbol": string;
          "take": Json;
          "take_profit": string;
          "trader_id": string;
          "trailing_percent": string;
          "unprotected_reason": string;
          "unprotected_since": string;
        }[];
      };
      "performance_by": {
        Args: { "dimension": string; "from_day"?: string; "to_day"?: string };
        Returns: {
          "approved": number;
          "average_pnl": number;
          "expired": number;
          "fees": number;
          "key": string;
          "losses": number;
          "profit_factor": number;
          "realized_pnl": number;
          "rejected": number;
          "signals": number;
          "traded": number;
          "trades": number;
          "win_rate": number;
          "wins": number;
        }[];
      };
      "platform_pulse": {
        Args: Record<PropertyKey, never>;
        Returns: {
          "alive": number;
          "last_heartbeat_at": string;
          "machines": number;
          "role": string;
        }[];
      };
      "query_signals": {
        Args: {
          "after_id"?: string;
          "all_tags"?: (string)[];
          "any_tags"?: (string)[];
          "before_id"?: string;
          "columns"?: (string)[];
          "cursor"?: string;
          "from_time"?: string;
          "machines"?: (string)[];
          "max_confidence"?: number;
          "min_confidence"?: number;
          "newest_first"?: boolean;
          "outcomes"?: (string)[];
          "page_size"?: number;
          "search"?: string;
          "sides"?: (string)[];
          "sources"?: (string)[];
          "statuses"?: (string)[];
          "symbols"?: (string)[];
          "to_time"?: string;
          "traders"?: (string)[];
        };
        Returns: Json;
      };
      "raise_alert": {
        Args: { "details"?: Json; "key"?: string; "kind": string; "title": string };
        Returns: string;
      };
      "recomputed_pnl": {
        Args: {
          "p": Omit<
            Database["public"]["Tables"]["positions"]["Row"],
            Database["public"]["Tables"]["positions"]["ComputedFields"]
          >;
        };
        Returns: number;
      };
      "record_deliveries": { Args: { "results": Json }; Returns: number };
      "record_monitoring": { Args: { "at"?: string; "snapshots": Json }; Returns: Json };
      "record_trading": {
        Args: { "account_id": string; "at"?: string; "facts": Json; "fence": number };
        Returns: Json;
      };
      "register_machine": {
        Args: { "machine_id": string; "region": string; "roles": (string)[]; "version": string };
        Returns: string;
      };
      "release_accounts": { Args: { "accounts": Json }; Returns: number };
      "release_shares": { Args: { "market": string; "shares": Json; "venue": string }; Returns: number };
      "release_work": { Args: { "available_at"?: string; "signals": Json; "stage": string }; Returns: Json };
      "renew_accounts": { Args: { "accounts": Json; "lease_seconds"?: number }; Returns: Json };
      "renew_shares": {
        Args: { "lease_seconds"?: number; "market": string; "most": number; "shares": Json; "venue": string };
        Returns: Json;
      };
      "renew_work": { Args: { "lease_seconds"?: number; "signals": Json; "stage": string }; Returns: Json };
      "resolve_alert": { Args: { "key"?: string; "kind": string }; Returns: boolean };
      "risk_use": {
        Args: { "account_id": string; "at"?: string };
        Returns: {
          "daily_loss": number;
          "drawdown": number;
          "notional": number;
          "open_loss": number;
          "orders_last_minute": number;
          "positions": number;
          "status": Database["public"]["Enums"]["account_status"];
          "total": number;
        }[];
      };
      "save_backtest": { Args: { "owner"?: string; "report": Json }; Returns: string };
      "seal_account": {
        Args: { "account_id": string; "ciphertext": string; "key_version": number; "salt": string };
        Returns: undefined;
      };
      "set_account_status": {
        Args: {
          "account_id": string;
          "status": Database["public"]["Enums"]["account_status"];
          "who"?: string;
          "why": string;
        };
        Returns: string;
      };
      "set_risk_limits": {
        Args: { "account_id"?: string; "limits": Json; "trader_id"?: string };
        Returns: Json;
      };
      "signal_counts_by_hour": {
        Args: { "statuses"?: (Database["public"]["Enums"]["signal_status"])[] };
        Returns: {
          "count": number;
          "hour": string;
        }[];
      };
      "signal_counts_by_status": {
        Args: { "from_time": string; "to_time": string };
        Returns: {
          "count": number;
          "status": Database["public"]["Enums"]["signal_status"];
        }[];
      };
      "signal_history": {
        Args: { "signal_id": string };
        Returns: {
          "created_at": string;
          "error_info": Json | null;
          "event_data": Json | null;
          "event_type": Database["public"]["Enums"]["signal_event_type"];
          "execution_id": string | null;
          "from_status": Database["public"]["Enums"]["signal_status"] | null;
          "location": Database["public"]["Enums"]["pipeline_location"];
          "number": number;
          "occurred_at": string;
          "order_id": string | null;
          "position_id": string | null;
          "signal_id": string;
          "to_status": Database["public"]["Enums"]["signal_status"] | null;
          "tx": number;
          "user_id": string;
          "worker": string | null;
        }[];
        SetofOptions: {
          from: "*";
          to: "signal_events";
          isOneToOne: false;
          isSetofReturn: true;
        };
      };
      "signal_id": {
        Args: { "interval": string; "symbol": string; "trader_id": string; "triggered_at": string };
        Returns: string;
      };
      "signal_id_floor": { Args: { "moment": string }; Returns: string };
      "signal_performance": {
        Args: { "signal_id": string };
        Returns: {
          "best_price": number;
          "closed_at": string;
          "entry_amount": number;
          "entry_average": number;
          "executions": number;
          "exit_average": number;
          "fees": number;
          "held": string;
          "id": string;
          "opened_at": string;
          "orders": number;
          "outcome_code": string;
          "position_id": string;
          "r_multiple": number;
          "realized_pnl": number;
          "return_fraction": number;
          "side": Database["public"]["Enums"]["trade_side"];
          "slippage_fraction": number;
          "source": Database["public"]["Enums"]["signal_source"];
          "status": Database["public"]["Enums"]["signal_status"];
          "symbol": string;
          "trader_id": string;
          "worst_price": number;
        }[];
      };
      "signal_series": {
        Args: {
          "average_over"?: number;
          "bucket"?: string;
          "from_time": string;
          "symbol"?: string;
          "time_zone"?: string;
          "to_time": string;
          "trader_id"?: string;
        };
        Returns: {
          "average_pnl": number;
          "average_signals": number;
          "bucket_end": string;
          "bucket_start": string;
          "cumulative_pnl": number;
          "expired": number;
          "realized_pnl": number;
          "rejected": number;
          "signals": number;
          "traded": number;
          "trades": number;
          "wins": number;
        }[];
      };
      "signal_story": { Args: { "signal_id": string }; Returns: Json };
      "signal_time": { Args: { "id": string }; Returns: string };
      "signals_version": { Args: { "since": string }; Returns: Json };
      "slippage_summary": {
        Args: { "from_time"?: string; "to_time"?: string };
        Returns: {
          "average_bps": number;
          "cost": number;
          "entries": number;
          "fill_rate": number;
          "filled_whole": number;
          "p95_bps": number;
          "symbol": string;
          "worst_bps": number;
        }[];
      };
      "source_comparison": {
        Args: { "from_day"?: string; "to_day"?: string };
        Returns: {
          "approved": number;
          "average_pnl": number;
          "expired": number;
          "realized_pnl": number;
          "rejected": number;
          "signals": number;
          "source": Database["public"]["Enums"]["signal_source"];
          "traded": number;
          "traders": number;
          "trades": number;
          "win_rate": number;
          "wins": number;
        }[];
      };
      "step_latencies": {
        Args: { "from_time"?: string; "most"?: number; "to_time"?: string };
        Returns: {
          "database_p50": number;
          "database_p95": number;
          "from_status": Database["public"]["Enums"]["signal_status"];
          "market_p50": number;
          "market_p95": number;
          "signals": number;
          "to_status": Database["public"]["Enums"]["signal_status"];
        }[];
      };
      "tell_wallet": {
        Args: { "account_id": string; "at"?: string; "balances": Json; "fence": number };
        Returns: Json;
      };
      "traded_signals": {
        Args: { "from_time"?: string; "most"?: number; "to_time"?: string };
        Returns: {
          "closed_at": string;
          "entry_amount": number;
          "entry_average": number;
          "exit_average": number;
          "fees": number;
          "machine_id": string;
          "opened_at": string;
          "outcome_code": string;
          "position_id": string;
          "r_multiple": number;
          "ready_at": string;
          "realized_pnl": number;
          "return_fraction": number;
          "side": Database["public"]["Enums"]["trade_side"];
          "signal_id": string;
          "slippage_fraction": number;
          "source": Database["public"]["Enums"]["signal_source"];
          "status": Database["public"]["Enums"]["position_status"];
          "symbol": string;
          "trader_id": string;
          "triggered_at": string;
          "user_id": string;
        }[];
      };
      "trader": {
        Args: {
          "signal": Omit<
            Database["public"]["Tables"]["signals"]["Row"],
            Database["public"]["Tables"]["signals"]["ComputedFields"]
          >;
        };
        Returns: {
          "ai_analysis_limit": number | null;
          "conditions": (string)[];
          "counted_at": string | null;
          "created_at": string;
          "default_exchange_account_id": string | null;
          "id": string;
          "indicators": NonNullable<Json>;
          "interval": string;
          "market": string;
          "max_concurrent_positions": number;
          "max_holding_seconds": number | null;
          "min_confidence": number;
          "monitoring_interval_seconds": number;
          "name": string;
          "position_size_type": string;
          "position_size_value": number | null;
          "side": Database["public"]["Enums"]["trade_side"];
          "status": string;
          "stop_loss_type": string | null;
          "stop_loss_value": number | null;
          "strategy": string;
          "successful_signals": number;
          "symbols": (string)[];
          "take_profit_type": string | null;
          "take_profit_value": number | null;
          "total_pnl": number;
          "total_signals_generated": number;
          "total_trades_executed": number;
          "trailing_stop_type": string | null;
          "trailing_stop_value": number | null;
          "updated_at": string;
          "user_id": string;
          "winning_trades": number;
        };
        SetofOptions: {
          from: "signals";
          to: "traders";
          isOneToOne: true;
          isSetofReturn: true;
        };
      };
      "trader_correlation": {
        Args: { "bucket"?: string; "from_time"?: string; "to_time"?: string; "traders": (string)[] };
        Returns: {
          "buckets": number;
          "first_trader_id": string;
          "overlap": number;
          "pnl_correlation": number;
          "second_trader_id": string;
          "signal_correlation": number;
        }[];
      };
      "trader_performance": {
        Args: { "from_time"?: string; "to_time"?: string; "trader_id": string };
        Returns: {
          "approved": number;
          "average_held": string;
          "average_loss": number;
          "average_r": number;
          "average_win": number;
          "best_trade": number;
          "expired": number;
          "fees": number;
          "gross_loss": number;
          "gross_profit": number;
          "id": string;
          "losses": number;
          "max_drawdown": number;
          "open_positions": number;
          "profit_factor": number;
          "realized_pnl": number;
          "rejected": number;
          "signals": number;
          "time_in_market": string;
          "traded": number;
          "trades": number;
          "win_rate": number;
          "wins": number;
          "worst_trade": number;
        }[];
      };
      "trail_page": {
        Args: {
          "cursor"?: string;
          "events"?: (string)[];
          "from_time": string;
          "most"?: number;
          "newest_first"?: boolean;
          "to_time": string;
          "workers"?: (string)[];
        };
        Returns: Json;
      };
      "unprotected_positions": {
        Args: Record<PropertyKey, never>;
        Returns: {
          "position_id": string;
          "reason": string;
          "signal_id": string;
          "since": string;
        }[];
      };
      "unwatch_signals": { Args: Record<PropertyKey, never>; Returns: undefined };
      "watch_signals": { Args: { "seconds"?: number }; Returns: Json };
      "work_waiting": { Args: { "at"?: string; "stage": string }; Returns: Json };
    };
    Enums: {
      "account_status": "active" | "reducing" | "halted";
      "alert_severity": "info" | "warning" | "critical";
      "order_leg": "entry" | "stop_loss" | "take_profit" | "exit";
      "order_status":
        | "intended"
        | "submitted"
        | "open"
        | "partially_filled"
        | "filled"
        | "canceled"
        | "rejected"
        | "denied"
        | "unresolved";
      "pipeline_location": "ingest" | "analysis" | "monitoring" | "trading" | "archive" | "operator";
      "position_status": "open" | "closed";
      "signal_event_type":
        | "signal_created"
        | "status_changed"
        | "signal_expired"
        | "lease_expired"
        | "analysis_started"
        | "analysis_requested"
        | "analysis_answered"
        | "analysis_completed"
        | "analysis_failed"
        | "monitoring_update"
        | "monitoring_action"
        | "order_created"
        | "order_filled"
        | "order_partially_filled"
        | "order_canceled"
        | "order_rejected"
        | "order_denied"
        | "order_unresolved"
        | "position_opened"
        | "position_updated"
        | "position_closed"
        | "stop_loss_triggered"
        | "take_profit_triggered"
        | "trailing_stop_updated"
        | "protection_confirmed"
        | "protection_failed";
      "signal_source": "local" | "cloud";
      "signal_status":
        | "new"
        | "analyzing"
        | "rejected"
        | "monitoring"
        | "ready"
        | "in_position"
        | "closed"
        | "expired";
      "trade_side": "long" | "short";
      "user_tier": "free" | "pro" | "elite";
    };
    CompositeTypes: {
      [_ in never]: never;
    };
  };
};

type DatabaseWithoutInternals = Omit<Database, "__InternalSupabase">;

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">];

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof (
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
      & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
    )
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals } ? (
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    & DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"]
  )[TableName] extends {
    Row: infer R;
  } ? R
  : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R;
    } ? R
    : never
  : never;

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Insert: infer I;
  } ? I
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I;
    } ? I
    : never
  : never;

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never,
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
    Update: infer U;
  } ? U
  : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
    ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U;
    } ? U
    : never
  : never;

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never,
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
    ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never;

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals;
  } ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never,
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
    ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never;

export const Constants = {
  "public": {
    Enums: {
      "account_status": ["active", "reducing", "halted"],
      "alert_severity": ["info", "warning", "critical"],
      "order_leg": ["entry", "stop_loss", "take_profit", "exit"],
      "order_status": [
        "intended",
        "submitted",
        "open",
        "partially_filled",
        "filled",
        "canceled",
        "rejected",
        "denied",
        "unresolved",
      ],
      "pipeline_location": ["ingest", "analysis", "monitoring", "trading", "archive", "operator"],
      "position_status": ["open", "closed"],
      "signal_event_type": [
        "signal_created",
        "status_changed",
        "signal_expired",
        "lease_expired",
        "analysis_started",
        "analysis_requested",
        "analysis_answered",
        "analysis_completed",
        "analysis_failed",
        "monitoring_update",
        "monitoring_action",
        "order_created",
        "order_filled",
        "order_partially_filled",
        "order_canceled",
        "order_rejected",
        "order_denied",
        "order_unresolved",
        "position_opened",
        "position_updated",
        "position_closed",
        "stop_loss_triggered",
        "take_profit_triggered",
        "trailing_stop_updated",
        "protection_confirmed",
        "protection_failed",
      ],
      "signal_source": ["local", "cloud"],
      "signal_status": [
        "new",
        "analyzing",
        "rejected",
        "monitoring",
        "ready",
        "in_position",
        "closed",
        "expired",
      ],
      "trade_side": ["long", "short"],
      "user_tier": ["free", "pro", "elite"],
    },
  },
} as const;
