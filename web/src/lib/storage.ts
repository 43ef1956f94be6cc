// What the browser remembers. Storage may be forbidden or full; then nothing is
// remembered, and nothing breaks.

/** The remembered value below the name, or undefined. */
export function recall(name: string): unknown {
  try {
    const text = localStorage.getItem(`kalla.${name}`)
    return text === null ? undefined : (JSON.parse(text) as unknown)
  } catch {
    return undefined
  }
}

/** Remembers a value that JSON can hold; undefined forgets. */
export function remember(name: string, value: unknown): void {
  try {
    if (value === undefined) localStorage.removeItem(`kalla.${name}`)
    else localStorage.setItem(`kalla.${name}`, JSON.stringify(value))
  } catch {
    // See above.
  }
}
