import { type RefObject, useEffect, useRef, useState } from "react";

const ENOUGH = 70;
const MOST = 96;

/** Pull to refresh: how far the list is pulled down now, in pixels; letting go far enough reads it again. */
export function usePull(scroller: RefObject<HTMLElement | null>, refresh: () => void): number {
  const [pulled, setPulled] = useState(0);
  const latest = useRef(refresh);
  useEffect(() => {
    latest.current = refresh;
  });
  useEffect(() => {
    const element = scroller.current!;
    let from: number | null = null;
    let far = 0;
    const begin = (event: TouchEvent) => {
      from = element.scrollTop <= 0 ? event.touches[0]!.clientY : null;
      far = 0;
    };
    const move = (event: TouchEvent) => {
      if (from === null) return;
      far = Math.max(0, Math.min(MOST, (event.touches[0]!.clientY - from) / 2));
      setPulled(element.scrollTop <= 0 && far > 8 ? far : 0);
    };
    const end = () => {
      if (from !== null && far >= ENOUGH && element.scrollTop <= 0) latest.current();
      from = null;
      setPulled(0);
    };
    element.addEventListener("touchstart", begin, { passive: true });
    element.addEventListener("touchmove", move, { passive: true });
    element.addEventListener("touchend", end);
    element.addEventListener("touchcancel", end);
    return () => {
      element.removeEventListener("touchstart", begin);
      element.removeEventListener("touchmove", move);
      element.removeEventListener("touchend", end);
      element.removeEventListener("touchcancel", end);
    };
  }, [scroller]);
  return pulled;
}
