// Values of a recipe that could be asked for at every run.
import { isDecimal } from '@/lib/decimal'
import type { RecipeDocument, RecipeParameter } from '@/recipes/model'
import { conditionText, sumText } from '@/recipes/words'

type Path = readonly (string | number)[]

/** A value that could become a parameter, everywhere where it stands for the same. */
export interface Suggestion {
  /** What it is, in words. */
  text: string
  value: string
  type: RecipeParameter['type']
  /** What the parameter could be called. */
  name: string
  paths: Path[]
}

const isReference = (value: unknown) => typeof value === 'string' && value.includes('${')

/** What could be asked for: tolerances, ends of windows, and the values of filters. */
export function suggestions(recipe: RecipeDocument): Suggestion[] {
  const found = new Map<string, Suggestion>()
  const taken = new Set((recipe.parameters ?? []).map((p) => p.name))
  const add = (key: string, path: Path, make: () => Omit<Suggestion, 'paths'>) => {
    const known = found.get(key)
    if (known) {
      known.paths.push(path)
      return
    }
    const made = make()
    let name = made.name
    for (let n = 2; taken.has(name); n++) name = `${made.name}_${n}`
    taken.add(name)
    found.set(key, { ...made, name, paths: [path] })
  }
  for (const side of ['left', 'right'] as const) {
    const filters = recipe.sources[side]['filters']
    for (const [i, f] of (Array.isArray(filters)
      ? (filters as { column: string; op: string; value?: unknown }[])
      : []
    ).entries()) {
      const values = Array.isArray(f.value) ? f.value : [f.value]
      if (f.op === 'in' || f.op === 'like') continue
      for (const [j, value] of (values as unknown[]).entries()) {
        if ((typeof value !== 'string' && typeof value !== 'number') || isReference(value)) continue
        const path = ['sources', side, 'filters', i, 'value', ...(Array.isArray(f.value) ? [j] : [])]
        add(`${side}/${i}/${j}`, path, () => ({
          text: `Filter of ${recipe.sources[side].alias}: ${f.column} ${f.op.replaceAll('_', ' ')}`,
          value: String(value),
          type: typeOf(String(value)),
          name: f.column.toLowerCase().replace(/\W+/g, '_'),
        }))
      }
    }
  }
  for (const [i, pass] of (recipe.match ?? []).entries()) {
    for (const [j, c] of (pass.when ?? []).entries()) {
      const path = ['match', i, 'when', j]
      const { within } = c
      if (typeof within === 'object') {
        const unit = 'days' in within ? 'days' : 'hours'
        const window = 'days' in within ? within.days : within.hours
        if (!Array.isArray(window) || isReference(window[1])) continue
        add(`${unit}/${c.left}/${c.right}/${window[1]}`, [...path, 'within', unit, 1], () => ({
          text: conditionText(c),
          value: String(window[1]),
          type: 'integer',
          name: `max_${unit}`,
        }))
      } else if (within !== undefined && isDecimal(String(within))) {
        add(`${c.left}/${c.right}/${within}`, [...path, 'within'], () => ({
          text: conditionText(c),
          value: String(within),
          type: 'decimal',
          name: 'tolerance',
        }))
      }
    }
    const sum = pass.sum
    if (sum?.within !== undefined && isDecimal(String(sum.within)))
      add(`${sum.left}/${sum.right}/${sum.within}`, ['match', i, 'sum', 'within'], () => ({
        text: sumText(sum),
        value: String(sum.within),
        type: 'decimal',
        name: 'tolerance',
      }))
  }
  return [...found.values()]
}

function typeOf(value: string): RecipeParameter['type'] {
  if (/^\d{4}-\d\d-\d\d$/.test(value)) return 'date'
  if (/^-?\d+$/.test(value)) return 'integer'
  return isDecimal(value) ? 'decimal' : 'text'
}

function set(node: unknown, path: Path, value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return value
  if (Array.isArray(node)) return (node as unknown[]).map((x, i) => (i === step ? set(x, rest, value) : x))
  if (typeof node !== 'object' || node === null) return node
  return { ...node, [step]: set((node as Record<string | number, unknown>)[step], rest, value) }
}

/** The recipe with the value asked for at every run; the value is the default. */
export function parameterised(recipe: RecipeDocument, s: Suggestion): RecipeDocument {
  const next = s.paths.reduce<unknown>((node, path) => set(node, path, `\${${s.name}}`), recipe) as RecipeDocument
  return { ...next, parameters: [...(recipe.parameters ?? []), { name: s.name, type: s.type, default: s.value }] }
}

/** The recipe without a parameter: its default stands where it was. */
export function withdrawn(recipe: RecipeDocument, name: string): RecipeDocument {
  const parameter = recipe.parameters?.find((p) => p.name === name)
  const value = parameter?.default ?? ''
  const back = parameter?.type === 'integer' ? Number(value) : value
  const put = (node: unknown): unknown => {
    if (node === `\${${name}}`) return back
    if (Array.isArray(node)) return (node as unknown[]).map(put)
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, put(v)]))
  }
  const next = { ...(put(recipe) as RecipeDocument) }
  const rest = (recipe.parameters ?? []).filter((p) => p.name !== name)
  delete next.parameters
  // In their place of the document: after the name.
  return rest.length > 0 ? { ...next, parameters: rest } : next
}
