import type { ReactNode } from "react";
import { Dialog, Heading } from "react-aria-components";
import { useAttempt } from "./attempt.ts";
import { Button } from "./button.tsx";
import { Window } from "./window.tsx";

interface Props {
  readonly title: string;
  /** What will happen, before anybody agrees to it. */
  readonly children: ReactNode;
  readonly action: string;
  readonly danger?: boolean;
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Asks before something that cannot be taken back. A refusal of the database is shown in place, and nothing closes. */
export function Confirm({ title, children, action, danger = false, onConfirm, onClose }: Props) {
  const { busy, failure, run } = useAttempt();
  const confirm = () =>
    run(async () => {
      await onConfirm();
      onClose();
    });

  return (
    <Window busy={busy} onClose={onClose}>
      <Dialog role="alertdialog" className="stack">
        <Heading slot="title">{title}</Heading>
        <div>{children}</div>
        {failure && <p role="alert" className="notice">{failure}</p>}
        <div className="row end">
          <Button onPress={onClose} isDisabled={busy} autoFocus>Cancel</Button>
          <Button kind={danger ? "danger" : "primary"} onPress={confirm} isPending={busy}>{action}</Button>
        </div>
      </Dialog>
    </Window>
  );
}
