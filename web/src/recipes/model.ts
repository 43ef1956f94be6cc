// A recipe as it is written, and how its parts are changed. Decimals are texts:
// 0.02 is never a float. What a form changes, the server writes as YAML.

/** A tolerance as it is written: "0.02", "2%", a window of days or hours, or a parameter. */
export type Within = string | number | { days: Window } | { hours: Window }

/** right − left: n for −n to n, or both ends. */
export type Window = string | number | [string | number, string | number]

export interface Condition {
  left: string
  right: string
  op?: string
  within?: Within
  similar?: string | number
  method?: string
  normalize?: string[]
}

export interface Sum {
  left: string
  right: string
  within?: string | number
}

export interface Pass {
  name?: string
  cardinality?: string
  when?: Condition[]
  sql?: string
  block?: unknown[]
  sum?: Sum
  subset?: { max: number | string }
  prefer?: string[]
  on_ambiguous?: string
}

export interface Compare {
  left: string
  right: string
  within?: Within
  normalize?: string[]
}

export interface RecipeParameter {
  name: string
  type: string
  default?: string | number | boolean
  required?: boolean
  description?: string
}

export interface RecipeSource {
  alias: string
  source?: string
  uri?: string
  primary_key: string[]
  derive?: Record<string, string>
  [field: string]: unknown
}

/** A recipe as it is written. Fields that forms do not know are kept as they are. */
export interface RecipeDocument {
  recipe_id: string
  name?: string
  parameters?: RecipeParameter[]
  sources: { left: RecipeSource; right: RecipeSource }
  match?: Pass[] | null
  compare?: Compare[]
  [field: string]: unknown
}

/** Reads JSON in which every number but a safe integer stays the text that it is written as. */
export function readExact(text: string): unknown {
  const exact = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    token.startsWith('"') || (/^-?\d+$/.test(token) && Number.isSafeInteger(Number(token))) ? token : `"${token}"`,
  )
  return JSON.parse(exact) as unknown
}

/** Whether a value read from JSON can be changed by forms. */
export function isRecipe(value: unknown): value is RecipeDocument {
  if (typeof value !== 'object' || value === null) return false
  const { sources, match } = value as { sources?: Partial<RecipeDocument['sources']> | null; match?: unknown }
  const list = (x: unknown) => x === undefined || x === null || Array.isArray(x)
  return (
    typeof sources?.left?.alias === 'string' &&
    typeof sources.right?.alias === 'string' &&
    list(match) &&
    ((match as Pass[] | null | undefined) ?? []).every(
      (p) => typeof p === 'object' && (p as unknown) !== null && list(p.when),
    )
  )
}

/** The list with one entry replaced; undefined takes it out. */
export function replaced<T>(list: readonly T[], at: number, next: T | undefined): T[] {
  return list.flatMap((x, i) => (i !== at ? [x] : next === undefined ? [] : [next]))
}

/** The list with one entry moved by so many places. */
export function moved<T>(list: readonly T[], at: number, by: number): T[] {
  const to = at + by
  const entry = list[at]
  if (entry === undefined || to < 0 || to >= list.length) return [...list]
  const rest = list.filter((_, i) => i !== at)
  return [...rest.slice(0, to), entry, ...rest.slice(to)]
}

/** The recipe with other passes. */
export function withPasses(recipe: RecipeDocument, match: Pass[]): RecipeDocument {
  return { ...recipe, match }
}

/** The pass without fields that its cardinality does not have. */
export function settled(pass: Pass): Pass {
  const next = { ...pass }
  if (next.cardinality === 'one_to_one') {
    delete next.sum
    delete next.subset
  }
  if (next.cardinality === 'many_to_many') delete next.subset
  if (next.when?.length === 0) delete next.when
  const measured = (name: string) =>
    next.when?.some((c) => (c.left === name || c.right === name) && (c.within !== undefined || c.similar !== undefined))
  const prefer = next.prefer?.filter(measured)
  delete next.prefer
  return { ...next, ...(prefer?.length && { prefer }) }
}

/** The columns of both sides that a pass looks at. */
export function columnsOf(passes: readonly Pass[]): { left: Set<string>; right: Set<string> } {
  const used = { left: new Set<string>(), right: new Set<string>() }
  for (const pass of passes)
    for (const { left, right } of [...(pass.when ?? []), ...(pass.sum ? [pass.sum] : [])]) {
      used.left.add(left)
      used.right.add(right)
    }
  return used
}

/** A slug for an id: "Bank to ledger" becomes bank-to-ledger. */
export function slug(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100)
}

/** The text, or the text with a number behind it, that is not taken. */
export function freeId(id: string, taken: ReadonlySet<string>): string {
  for (let n = 1; ; n++) {
    const free = n === 1 ? id : `${id.slice(0, 95)}-${n}`
    if (!taken.has(free)) return free
  }
}
