/** Round values from 0 to at least most, about so many: the ticks of an axis that counts. */
export function ticks(most: number, about = 4): number[] {
  if (most <= 0) return [0, 1]
  const rough = most / about
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10) * power)
  const out = [0]
  while ((out.at(-1) ?? 0) < most) out.push(out.length * step)
  return out
}

/** Where the axis of rates begins: a round share below the least, so that a change of a tenth of a percent is seen. */
export function rateFloor(least: number): number {
  for (const [from, floor] of [
    [0.995, 0.99],
    [0.975, 0.95],
    [0.92, 0.9],
    [0.82, 0.8],
    [0.55, 0.5],
  ] as const) {
    if (least >= from) return floor
  }
  return 0
}
