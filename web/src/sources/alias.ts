/** What an alias may be. */
export const aliasPattern = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/

/** An alias made of a file's name, unlike all that are taken: "Bank 2026-11.csv" becomes bank_2026_11. */
export function freeAlias(filename: string, taken: ReadonlySet<string>): string {
  const name = filename
    .replace(/^.*[\\/]/, '')
    .replace(/(\.(csv|tsv|txt|parquet|json|ndjson|jsonl|xlsx|gz|zst))+$/i, '')
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .toLowerCase()
    .slice(0, 50)
  // These are what SQL of a recipe calls the two sides.
  const whole = name === '' || /^(l|r|left_src|right_src)$/.test(name) ? `${name || 'file'}_records` : name
  const base = /^\d/.test(whole) ? `file_${whole}` : whole
  for (let n = 1; ; n++) {
    const alias = n === 1 ? base : `${base}_${n}`
    if (!taken.has(alias)) return alias
  }
}
