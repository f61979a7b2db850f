/** Somebody who is new: a user of the test's own, for what must not happen to the demo's. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import { expect, type Page } from "@playwright/test";
import type { Database } from "../src/database.types.ts";
import { run } from "./database.ts";
import { site } from "./site.ts";

export interface Newcomer {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  /** Supabase as this user. */
  readonly project: SupabaseClient<Database>;
}

/** Supabase as nobody yet. */
async function open(): Promise<SupabaseClient<Database>> {
  const config = await (await fetch(`${site().url}config.json`)).json() as {
    supabaseUrl: string;
    publishableKey: string;
  };
  return createClient<Database>(config.supabaseUrl, config.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
}

/** Supabase as the demo's user, to compare a page with. */
export async function demo(): Promise<SupabaseClient<Database>> {
  const project = await open();
  const { error } = await project.auth.signInWithPassword({ email: site().email, password: site().password });
  if (error) throw error;
  return project;
}

/** Makes a user; operator: one who oversees the platform. */
export async function newcomer({ operator = false } = {}): Promise<Newcomer> {
  const project = await open();
  const email = `newcomer-${crypto.randomUUID()}@example.com`;
  const password = crypto.randomUUID();
  const { data, error } = await project.auth.signUp({ email, password });
  if (error) throw error;
  const id = data.user!.id;
  if (operator) {
    await run(
      `update auth.users set raw_app_meta_data = raw_app_meta_data || '{"role": "operator"}' where id = '${id}'`,
    );
    await project.auth.refreshSession();
  }
  return { id, email, password, project };
}

/** Opens the console as somebody who is new. */
export async function enter(page: Page, { email, password }: Newcomer): Promise<void> {
  await page.goto(site().url);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
}
