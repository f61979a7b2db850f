export function TradersPage() {
  return <h1>Traders</h1>;
}
