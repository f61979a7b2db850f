export function SignalPage() {
  return <h1>Signal</h1>;
}
