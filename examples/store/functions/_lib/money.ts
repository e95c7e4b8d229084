// Files that begin with "_" are not functions; they help others.
export const total = (lines: { priceCents: number; quantity: number }[]): number =>
  lines.reduce((sum, line) => sum + line.priceCents * line.quantity, 0);
