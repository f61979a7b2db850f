/** What surrounds every page: the menu, the state of the connection, who is signed in. */
import { Link, Outlet } from "@tanstack/react-router";
import {
  Activity,
  BarChart3,
  Bot,
  Layers,
  LogOut,
  Moon,
  Server,
  ShieldCheck,
  Sun,
  SunMoon,
  Wallet,
} from "lucide-react";
import { Button } from "../kit/button.tsx";
import { type Connection, LiveProvider, useConnection } from "../live/live.tsx";
import { useSignOut, useUser } from "../session/session.tsx";
import { setTheme, type Theme, useTheme } from "./theme.ts";

const PAGES = [
  { to: "/signals", label: "Signals", icon: Activity },
  { to: "/positions", label: "Positions", icon: Layers },
  { to: "/traders", label: "Traders", icon: Bot },
  { to: "/performance", label: "Performance", icon: BarChart3 },
  { to: "/accounts", label: "Accounts", icon: Wallet },
  { to: "/machines", label: "Machines", icon: Server },
  { to: "/audit", label: "Audit", icon: ShieldCheck },
] as const;

export function Frame() {
  return (
    <LiveProvider>
      <div className="frame">
        <a href="#main" className="skip" onClick={skip}>Skip to the page</a>
        <nav className="menu" aria-label="Pages">
          <span className="brand">Sigtrail</span>
          {PAGES.map(({ to, label, icon: Icon }) => (
            <Link key={to} to={to} activeProps={{ "aria-current": "page" }}>
              <Icon aria-hidden />
              <span>{label}</span>
            </Link>
          ))}
        </nav>
        <header className="top">
          <ConnectionState />
          <ThemeButton />
          <Account />
        </header>
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
      </div>
    </LiveProvider>
  );
}

// The address after `#` is the router's, so that a plain anchor cannot move there.
function skip(event: { preventDefault: () => void }) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

const CONNECTIONS: Record<Connection, string> = {
  connecting: "Connecting",
  live: "Live",
  away: "Reconnecting",
  offline: "Offline",
};

function ConnectionState() {
  const connection = useConnection();
  return <span className="connection" role="status" data-state={connection}>{CONNECTIONS[connection]}</span>;
}

const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };
const THEME_ICONS = { system: SunMoon, dark: Moon, light: Sun } as const;

function ThemeButton() {
  const theme = useTheme();
  const Icon = THEME_ICONS[theme];
  return (
    <Button
      kind="icon"
      aria-label={`Colours: ${theme}. Change to ${NEXT[theme]}`}
      onPress={() => setTheme(NEXT[theme])}
    >
      <Icon aria-hidden />
    </Button>
  );
}

function Account() {
  const { email } = useUser();
  const signOut = useSignOut();
  return (
    <>
      <span className="who">{email}</span>
      <Button kind="icon" aria-label="Sign out" onPress={() => signOut()}>
        <LogOut aria-hidden />
      </Button>
    </>
  );
}
