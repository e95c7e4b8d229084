// performance (High Resolution Time §7), relative to the call. The engine's own counts
// from when the image was made.

import { sync } from "../host.ts";

let origin: number | undefined;

// beginTime makes now the time origin, when a call begins.
export function beginTime(): void {
  origin = sync("clock");
}

function timeOrigin(): number {
  return (origin ??= sync("clock") as number);
}

export class Performance {
  get timeOrigin(): number {
    return timeOrigin();
  }
  now(): number {
    const began = timeOrigin();
    return Math.max(0, (sync("clock") as number) - began);
  }
  toJSON(): { timeOrigin: number } {
    return { timeOrigin: timeOrigin() };
  }
}

export const performance = new Performance();
