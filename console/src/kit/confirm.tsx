import { type ReactNode, useState } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { judge } from "../app/failure.ts";
import { Button } from "./button.tsx";

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
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);

  async function confirm() {
    setBusy(true);
    setFailure(null);
    try {
      await onConfirm();
      onClose();
    } catch (error) {
      const { message, hint } = judge(error);
      setFailure(`${message} ${hint}`.trim());
    } finally {
      setBusy(false);
    }
  }

  return (
    <ModalOverlay
      isOpen
      isDismissable={!busy}
      onOpenChange={(open) => !open && onClose()}
      className="overlay"
    >
      <Modal className="modal">
        <Dialog role="alertdialog" className="stack">
          <Heading slot="title">{title}</Heading>
          <div>{children}</div>
          {failure && <p role="alert" className="notice">{failure}</p>}
          <div className="row end">
            <Button onPress={onClose} isDisabled={busy} autoFocus>Cancel</Button>
            <Button kind={danger ? "danger" : "primary"} onPress={confirm} isPending={busy}>{action}</Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
