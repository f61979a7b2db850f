import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps } from "react-aria-components";

interface Props extends Omit<ButtonProps, "children" | "className"> {
  readonly kind?: "primary" | "plain" | "danger" | "icon";
  readonly children: ReactNode;
}

/** The one button. isPending: its work is under way, and it cannot be pressed again meanwhile. */
export function Button({ kind, ...props }: Props) {
  return <AriaButton {...props} className={`button ${kind ?? ""}`} />;
}
