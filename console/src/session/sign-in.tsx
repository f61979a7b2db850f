/** The way in: e-mail and password, or a new account where the project allows that. */
import { type FormEvent, useState } from "react";
import { Button } from "../kit/button.tsx";
import { TextField } from "../kit/field.tsx";
import { useProject } from "./session.tsx";

export function SignIn() {
  const project = useProject();
  const [mode, setMode] = useState<"in" | "up">("in");
  const [said, setSaid] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const credentials = { email: String(form.get("email")), password: String(form.get("password")) };
    setBusy(true);
    setSaid(null);
    const { data, error } = mode === "in"
      ? await project.auth.signInWithPassword(credentials)
      : await project.auth.signUp(credentials);
    setBusy(false);
    if (error) setSaid(wording(error));
    else if (!data.session) setSaid("Look into your mail: the link there finishes your account.");
  }

  return (
    <main className="alone">
      <h1>Sigtrail</h1>
      <form onSubmit={submit} className="stack">
        <TextField label="E-mail" name="email" type="email" autoComplete="username" isRequired />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete={mode === "in" ? "current-password" : "new-password"}
          isRequired
        />
        {said && <p role="alert" className="notice">{said}</p>}
        <Button type="submit" kind="primary" isPending={busy}>
          {mode === "in" ? "Sign in" : "Create account"}
        </Button>
        <Button kind="plain" onPress={() => setMode(mode === "in" ? "up" : "in")}>
          {mode === "in" ? "I am new here" : "I have an account"}
        </Button>
      </form>
    </main>
  );
}

function wording(error: { message: string; status?: number | undefined; code?: string | undefined }): string {
  if (error.code === "invalid_credentials") return "This e-mail and password do not belong together.";
  if (!error.status) return "The server does not answer: look at your connection, and try again.";
  return error.message;
}
