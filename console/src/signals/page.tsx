export function SignalsPage() {
  return <h1>Signals</h1>;
}
