import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "./button.tsx";

/** Copies a text, and says so. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [said, setSaid] = useState<"" | "Copied" | "Copying is not allowed here">("");
  return (
    <>
      <Button
        kind="icon"
        aria-label={`Copy ${what}`}
        onPress={() =>
          navigator.clipboard.writeText(text).then(
            () => setSaid("Copied"),
            () => setSaid("Copying is not allowed here"),
          )}
      >
        {said === "Copied" ? <Check aria-hidden /> : <Copy aria-hidden />}
      </Button>
      <span role="status" className="quiet">{said}</span>
    </>
  );
}
