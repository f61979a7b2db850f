/** Every page and its address. Addresses live behind `#`, so that any static host serves them without rules. */
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { z } from "zod";
import { AccountsSearch } from "../accounts/search.ts";
import { PerformanceSearch } from "../performance/search.ts";
import { AuditSearch } from "../audit/search.ts";
import { Address } from "../signals/filter.ts";
import { Empty, ErrorFace } from "./faces.tsx";
import { PositionsSearch } from "../positions/search.ts";
import { Frame } from "./frame.tsx";

const root = createRootRoute({
  component: Frame,
  errorComponent: ({ error, reset }) => <ErrorFace error={error} retry={reset} />,
  notFoundComponent: () => <Empty title="There is no such page.">Choose one from the menu.</Empty>,
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("../start/home.tsx"), "HomePage"),
});
const start = createRoute({
  getParentRoute: () => root,
  path: "/start",
  validateSearch: z.object({ trader: z.uuid().optional().catch(undefined) }),
  component: lazyRouteComponent(() => import("../start/page.tsx"), "StartPage"),
});
const signals = createRoute({
  getParentRoute: () => root,
  path: "/signals",
  validateSearch: Address,
  component: lazyRouteComponent(() => import("../signals/page.tsx"), "SignalsPage"),
});
const signal = createRoute({
  getParentRoute: () => root,
  path: "/signals/$id",
  component: lazyRouteComponent(() => import("../signal/page.tsx"), "SignalPage"),
});
const positions = createRoute({
  getParentRoute: () => root,
  path: "/positions",
  validateSearch: PositionsSearch,
  component: lazyRouteComponent(() => import("../positions/page.tsx"), "PositionsPage"),
});
const traders = createRoute({
  getParentRoute: () => root,
  path: "/traders",
  validateSearch: z.object({ search: z.string().optional().catch(undefined) }),
  component: lazyRouteComponent(() => import("../traders/page.tsx"), "TradersPage"),
});
const newTrader = createRoute({
  getParentRoute: () => root,
  path: "/traders/new",
  component: lazyRouteComponent(() => import("../traders/edit.tsx"), "NewTraderPage"),
});
const trader = createRoute({
  getParentRoute: () => root,
  path: "/traders/$id",
  validateSearch: z.object({
    days: z.number().int().min(1).max(365).optional().catch(undefined),
    backtest: z.uuid().optional().catch(undefined),
  }),
  component: lazyRouteComponent(() => import("../traders/trader-page.tsx"), "TraderPage"),
});
const editTrader = createRoute({
  getParentRoute: () => root,
  path: "/traders/$id/edit",
  component: lazyRouteComponent(() => import("../traders/edit.tsx"), "EditTraderPage"),
});
const performance = createRoute({
  getParentRoute: () => root,
  path: "/performance",
  validateSearch: PerformanceSearch,
  component: lazyRouteComponent(() => import("../performance/page.tsx"), "PerformancePage"),
});
const machines = createRoute({
  getParentRoute: () => root,
  path: "/machines",
  component: lazyRouteComponent(() => import("../machines/page.tsx"), "MachinesPage"),
});
const accounts = createRoute({
  getParentRoute: () => root,
  path: "/accounts",
  validateSearch: AccountsSearch,
  component: lazyRouteComponent(() => import("../accounts/page.tsx"), "AccountsPage"),
});
const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: AuditSearch,
  component: lazyRouteComponent(() => import("../audit/page.tsx"), "AuditPage"),
});

const tree = root.addChildren([
  home,
  signals,
  signal,
  positions,
  start,
  traders,
  newTrader,
  trader,
  editTrader,
  performance,
  machines,
  accounts,
  audit,
]);

export function createConsoleRouter() {
  return createRouter({ routeTree: tree, history: createHashHistory(), defaultPreload: "intent" });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
