import type { Tone } from "../kit/badge.tsx";
import type { AccountStatus } from "./account.ts";

export const STATUS_TONES: Record<AccountStatus, Tone> = { active: "good", reducing: "warn", halted: "bad" };
