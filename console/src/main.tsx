import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { NotConfigured } from "./app/faces.tsx";
import { createConsoleRouter } from "./app/routes.tsx";
import { isWorthRetrying } from "./app/failure.ts";
import { apply } from "./app/theme.ts";
import { keepForOffline } from "./offline/register.ts";
import { openProject } from "./project.ts";
import { ProjectContext } from "./session/session.tsx";
import { SessionGate } from "./session/gate.tsx";
import "./app/tokens.css";
import "./app/page.css";
import "./kit/kit.css";

apply();
keepForOffline();
const root = createRoot(document.getElementById("root")!);

const queries = new QueryClient({
  defaultOptions: {
    queries: { staleTime: 5_000, retry: (count, error) => count < 3 && isWorthRetrying(error) },
  },
});

try {
  const project = await openProject();
  const router = createConsoleRouter();
  root.render(
    <StrictMode>
      <ProjectContext value={project}>
        <QueryClientProvider client={queries}>
          <SessionGate>
            <RouterProvider router={router} />
          </SessionGate>
        </QueryClientProvider>
      </ProjectContext>
    </StrictMode>,
  );
} catch (error) {
  root.render(<NotConfigured error={error} />);
}
