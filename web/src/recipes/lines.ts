/** A line of two texts side by side; undefined where the text has none there. */
export interface LinePair {
  left: string | undefined
  right: string | undefined
  /** Numbers of the lines, from 1. */
  leftLine: number | undefined
  rightLine: number | undefined
  same: boolean
}

/** Two texts side by side: equal lines beside each other, what was removed beside what was added. */
export function sideBySide(before: string, after: string): LinePair[] {
  const a = before.replace(/\n$/, '').split('\n')
  const b = after.replace(/\n$/, '').split('\n')
  // The longest common subsequence from every place on, by their lengths; recipes have hundreds of lines, not thousands.
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1))
  const at = (i: number, j: number) => common[i]?.[j] ?? 0
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--) {
      const row = common[i]
      if (row) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  const out: LinePair[] = []
  let removed: number[] = []
  let added: number[] = []
  const flush = () => {
    for (let k = 0; k < Math.max(removed.length, added.length); k++) {
      const i = removed[k]
      const j = added[k]
      out.push({
        left: i === undefined ? undefined : a[i],
        right: j === undefined ? undefined : b[j],
        leftLine: i === undefined ? undefined : i + 1,
        rightLine: j === undefined ? undefined : j + 1,
        same: false,
      })
    }
    removed = []
    added = []
  }
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      flush()
      out.push({ left: a[i], right: b[j], leftLine: ++i, rightLine: ++j, same: true })
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) removed.push(i++)
    else added.push(j++)
  }
  flush()
  return out
}
