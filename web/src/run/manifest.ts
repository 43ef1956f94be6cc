// The manifest of a run's evidence: what its tables hold, and what was read.
import { send } from '@/lib/http'
import type { Schema } from '@/lib/api'
import { queryOptions } from '@tanstack/react-query'
import type { RecordRef, Side, Table } from './search'

export type Column = Schema<'RecordsColumn'>

interface Typed {
  name: string
  type: Column['type']
}

/** What was read of a source. */
export interface Read {
  alias: string
  location: string
  fingerprint: string
  /** "snapshot" where all rows are of one point in time. */
  consistency: string
  primary_key?: string[]
  schema?: Typed[]
  rows: number
}

/** A condition of the recipe, as far as pages look into it. */
interface Condition {
  left: string
  right: string
  within?: string | { days?: unknown; hours?: unknown; percent?: unknown }
}

export interface Manifest {
  run_id: string
  kalla: string
  evidence: 'full' | 'keys'
  started: string
  ended: string
  left: Read
  right: Read
  extras?: Read[]
  recipe: { match?: { name?: string; when?: Condition[]; sum?: Condition }[]; compare?: Condition[] }
  files: Record<string, { sha256: string; bytes: number; rows: number; schema?: Typed[] }>
  /** The columns of tables that a cluster wrote as folders of parts, by folder. */
  tables?: Record<string, Typed[]>
}

/** Asks for the manifest of a completed run, which never changes. */
export const manifestQuery = (id: string) =>
  queryOptions({
    queryKey: ['run', id, 'manifest'],
    queryFn: async ({ signal }): Promise<Manifest> => {
      const path = `/api/runs/${encodeURIComponent(id)}/evidence/manifest.json`
      const response = await send(new Request(new URL(path, location.href), { signal }))
      return (await response.json()) as Manifest
    },
    staleTime: Infinity,
  })

// match_id, pass, cardinality, confidence, ambiguous
const pairColumns = 5

/** How many rows a table has. */
export function tableRows(manifest: Manifest, table: Table): number {
  return Object.entries(manifest.files)
    .filter(([name]) => name === `${table}.parquet` || name.startsWith(`${table}/`))
    .reduce((all, [, file]) => all + file.rows, 0)
}

/** The names of the evidence's files in their order: those of a folder together, under its name. */
export function foldersOf(manifest: Manifest): { folder: string | undefined; names: string[] }[] {
  const folders: { folder: string | undefined; names: string[] }[] = []
  for (const name of Object.keys(manifest.files).sort()) {
    const folder = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined
    const last = folders.at(-1)
    if (last?.folder === folder && last) last.names.push(name)
    else folders.push({ folder, names: [name] })
  }
  return folders
}

/** The columns of a table; those that show a source's say which. */
export function columnsOf(manifest: Manifest, table: Table): Column[] {
  const schema = manifest.tables?.[table] ?? manifest.files[`${table}.parquet`]?.schema ?? []
  const columns: Column[] = schema.map(({ name, type }) => ({ name, type }))
  const shows = (side: Side, from: number, prefix: string) => {
    const read = manifest[side]
    const n = (manifest.evidence === 'keys' ? read.primary_key : read.schema)?.length ?? 0
    for (const column of columns.slice(from, from + n)) {
      column.side = side
      column.of = column.name.startsWith(prefix) ? column.name.slice(prefix.length) : column.name
    }
    return from + n
  }
  if (table === 'matched') shows('right', shows('left', pairColumns, 'left_'), 'right_')
  if (table === 'unmatched_left') shows('left', 0, '')
  if (table === 'unmatched_right') shows('right', 0, '')
  return columns
}

/** The side whose records a table holds; undefined for tables of both. */
export function sideOf(table: Table): Side | undefined {
  return table === 'unmatched_left' ? 'left' : table === 'unmatched_right' ? 'right' : undefined
}

export const unmatchedOf = (side: Side): Table => (side === 'left' ? 'unmatched_left' : 'unmatched_right')

export const otherSide = (side: Side): Side => (side === 'left' ? 'right' : 'left')

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

/** The columns of a table that hold the primary key of a side. */
export function keyColumns(manifest: Manifest, columns: readonly Column[], side: Side): Column[] {
  return (manifest[side].primary_key ?? []).flatMap(
    (key) => columns.find((c) => c.side === side && same(c.of ?? '', key)) ?? [],
  )
}

/** The columns that have to be fetched so that a row can be opened. */
export function openingColumns(manifest: Manifest, columns: readonly Column[], table: Table): string[] {
  if (table === 'breaks') return ['left_key']
  if (table === 'candidates') return ['side', 'key']
  return keyColumns(manifest, columns, sideOf(table) ?? 'left').map((c) => c.name)
}

/** A key as the evidence writes it: one value as it is, several joined by |. Undefined where a part is missing. */
export function keyText(parts: readonly (string | null | undefined)[]): string | undefined {
  if (parts.length === 0 || parts.some((p) => p === null || p === undefined)) return undefined
  const texts = parts as string[]
  return texts.length === 1 ? texts[0] : texts.map((t) => t.replace(/[\\|]/g, '\\$&')).join('|')
}

/** The record that a row of a table is about. */
export function recordOf(
  opening: readonly string[],
  table: Table,
  value: (column: string) => string | null | undefined,
): RecordRef | undefined {
  if (table === 'candidates') {
    const key = value('key')
    return key ? { side: value('side') === 'right' ? 'right' : 'left', key } : undefined
  }
  const key = table === 'breaks' ? value('left_key') : keyText(opening.map(value))
  return key ? { side: sideOf(table) ?? 'left', key } : undefined
}

/** The column of Kalla's own that holds the reason: it gives way to one of the source that is called so. */
export function reasonColumn(columns: readonly Column[]): string {
  return columns.find((c) => c.side === undefined && /^(kalla_)*reason$/.test(c.name))?.name ?? 'reason'
}

const temporal = (c: Typed) => c.type.kind === 'date' || c.type.kind.startsWith('timestamp')

/** The date that unmatched records of a side are aged by: the first that the recipe compares, else the first there is. */
export function ageColumn(manifest: Manifest, side: Side): string | undefined {
  for (const pass of manifest.recipe.match ?? []) {
    for (const c of pass.when ?? []) {
      if (typeof c.within === 'object' && (c.within.days !== undefined || c.within.hours !== undefined)) return c[side]
    }
  }
  return manifest[side].schema?.find(temporal)?.name
}

/** The column of a side that holds a currency. */
export function currencyColumn(manifest: Manifest, side: Side): string | undefined {
  return manifest[side].schema?.find((c) => c.type.kind === 'text' && /curr|ccy/i.test(c.name))?.name
}

/** The columns of a side that the recipe looks at, in its order. */
export function comparedColumns(manifest: Manifest, side: Side): string[] {
  const { match = [], compare = [] } = manifest.recipe
  const found = [...match.flatMap((p) => [...(p.when ?? []), ...(p.sum ? [p.sum] : [])]), ...compare].map(
    (c) => c[side],
  )
  return [...new Set(found)]
}
