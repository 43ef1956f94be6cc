/** A hit: the score orders hits, the ranges of the text are what matched, for marking. */
export interface Hit {
  score: number
  ranges: [from: number, to: number][]
}

/**
 * Matches the letters of a query in order, as a command palette does: starts of words and runs of letters count
 * more, gaps less. Each word of the query must be found. Undefined where it is not.
 */
export function fuzzy(query: string, text: string): Hit | undefined {
  const low = text.toLowerCase()
  const marks = new Set<number>()
  let score = 0
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const whole = low.indexOf(word)
    const start = whole < 0 ? undefined : (startOfWord(low, word) ?? whole)
    if (start !== undefined) {
      for (let i = 0; i < word.length; i++) marks.add(start + i)
      score += 10 * word.length + (start === 0 ? 15 : isStart(low, start) ? 10 : 0)
      continue
    }
    let at = -1
    let found = 0
    for (const letter of word) {
      const next = nearest(low, letter, at + 1)
      if (next === undefined) return undefined
      found += (next === at + 1 ? 4 : 0) + (isStart(low, next) ? 5 : 0) - Math.min(3, next - at - 1) * 0.5
      marks.add(next)
      at = next
    }
    // Letters here and there are in every long text.
    if (found < 2 * word.length) return undefined
    score += found
  }
  return { score: score - text.length / 100, ranges: ranges([...marks].sort((a, b) => a - b)) }
}

function isStart(text: string, at: number): boolean {
  return at === 0 || /[\s\-_./:]/.test(text[at - 1] ?? '')
}

function startOfWord(text: string, word: string): number | undefined {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) if (isStart(text, at)) return at
  return undefined
}

// The start of a later word is a better hit than the next letter in the middle of one.
function nearest(text: string, letter: string, from: number): number | undefined {
  if (text[from] === letter) return from
  let first: number | undefined
  for (let at = text.indexOf(letter, from); at >= 0; at = text.indexOf(letter, at + 1)) {
    if (isStart(text, at)) return at
    first ??= at
  }
  return first
}

function ranges(marks: number[]): [number, number][] {
  const out: [number, number][] = []
  for (const mark of marks) {
    const last = out.at(-1)
    if (last && last[1] === mark) last[1] = mark + 1
    else out.push([mark, mark + 1])
  }
  return out
}
