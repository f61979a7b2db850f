import type { ReactNode } from "react";
import { Modal, ModalOverlay } from "react-aria-components";

/** Something in front of the page, until it is closed. While busy neither Escape nor a press beside it closes it. */
export function Window(
  { busy, onClose, children }: { busy: boolean; onClose: () => void; children: ReactNode },
) {
  return (
    <ModalOverlay
      isOpen
      isDismissable={!busy}
      isKeyboardDismissDisabled={busy}
      onOpenChange={(open) => !open && onClose()}
      className="overlay"
    >
      <Modal className="modal">{children}</Modal>
    </ModalOverlay>
  );
}
