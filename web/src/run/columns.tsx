import { kindOf, type FilterColumn } from '@/lib/filters'
import { decimal, percent } from '@/lib/format'
import { reasonText } from '@/lib/reasons'
import type { Column as TableColumn } from '@/table/columns'
import { Badge } from '@/ui/status'
import { DateTime, None } from '@/ui/values'
import type { ReactNode } from 'react'
import { comparedColumns, reasonColumn, sideOf, type Column, type Manifest } from './manifest'
import type { RecordRow } from './records'
import type { Table } from './search'
import { kindText } from './words'

const own: Record<string, string> = {
  match_id: 'Match',
  pass: 'Pass',
  cardinality: 'Kind',
  confidence: 'Confidence',
  ambiguous: 'Ambiguous',
  closest_key: 'Closest record',
  closest_pass: 'Closest in pass',
  closest_score: 'Conditions held',
  taken_by: 'Taken by',
  field: 'Field',
  difference: 'Difference',
  side: 'Side',
  key: 'Record',
  rival_key: 'Rival',
  chosen: 'Chosen',
}

/** What a column is called: "invoices.amount" where both sides are in the table. */
export function headerOf(column: Column, manifest: Manifest, table: Table): string {
  const { name, side, of } = column
  if (side !== undefined)
    return sideOf(table) === undefined ? `${manifest[side as 'left' | 'right'].alias}.${of ?? name}` : (of ?? name)
  if (/^(kalla_)*reason$/.test(name)) return 'Reason'
  const sided = /^(left|right)_(key|value)$/.exec(name)
  if (sided) return `${manifest[sided[1] as 'left' | 'right'].alias} ${sided[2] ?? ''}`
  const measured = /^(closest_)?diff_(.+?)(_us)?$/.exec(name)
  if (measured) return `Difference of ${measured[2] ?? ''}`
  return own[name] ?? name
}

/** A value of the evidence, by its type. */
export function Value({
  value,
  column,
}: {
  value: string | null | undefined
  column: Pick<Column, 'type'>
}): ReactNode {
  if (value === null || value === undefined) return <None />
  return shown(value, column)
}

function shown(value: string, { type }: Pick<Column, 'type'>): ReactNode {
  switch (type.kind) {
    case 'decimal':
      return <span className="num">{decimal(value, type.scale ?? 0)}</span>
    case 'integer':
      return <span className="num">{value}</span>
    case 'date':
      return <DateTime value={value} />
    case 'timestamptz':
      return <DateTime value={value.replace(' ', 'T')} />
    case 'boolean':
      return value === 'true' ? 'yes' : 'no'
    default:
      return value
  }
}

function cellOf(column: Column): (value: string) => ReactNode {
  if (column.side !== undefined) return (value) => shown(value, column)
  if (/^(kalla_)*reason$/.test(column.name)) return (value) => reasonText(value)
  switch (column.name) {
    case 'cardinality':
      return kindText
    case 'confidence':
    case 'closest_score':
      return (value) => <span className="num">{percent(value, 0)}</span>
    case 'ambiguous':
      return (value) => (value === 'true' ? <Badge tone="warn">ambiguous</Badge> : '')
    case 'chosen':
      return (value) => (value === 'true' ? <Badge tone="ok">chosen</Badge> : 'not chosen')
  }
  return (value) => shown(value, column)
}

const numeric = (c: Column) => ['decimal', 'integer', 'float'].includes(c.type.kind)

const temporal = (c: Column) => c.type.kind === 'date' || c.type.kind.startsWith('timestamp')

const difference = (c: Column) => c.side === undefined && /^(closest_)?diff_/.test(c.name)

/** Which columns come first, and which are there at first: what tells records apart, the amounts and dates that were compared, how they differ. */
function arrangement(columns: readonly Column[], manifest: Manifest, table: Table) {
  const one = sideOf(table)
  const reason = reasonColumn(columns)
  const sides = {
    left: { keys: manifest.left.primary_key ?? [], compared: comparedColumns(manifest, 'left') },
    right: { keys: manifest.right.primary_key ?? [], compared: comparedColumns(manifest, 'right') },
  }
  const of = (c: Column) => sides[c.side === 'right' ? 'right' : 'left']
  const isKey = (c: Column) => c.side !== undefined && of(c).keys.includes(c.of ?? '')
  const isCompared = (c: Column) => c.side !== undefined && of(c).compared.includes(c.of ?? '')
  const rank = (c: Column): number => {
    if (one === undefined && table !== 'matched') return 0
    if (isKey(c)) return 0
    if (one !== undefined && c.name === reason) return 1
    if (isCompared(c) && numeric(c)) return 2
    if (difference(c) && c.type.kind !== 'integer') return 3
    if (isCompared(c) && temporal(c)) return 4
    if (difference(c)) return 5
    return c.side === undefined ? 6 : 7
  }
  const few = columns.filter((c) => c.side !== undefined).length <= 10
  const hidden = (c: Column): boolean => {
    if (c.side === undefined)
      return ['match_id', 'confidence', 'ambiguous', 'closest_pass', 'closest_score', 'taken_by'].includes(c.name)
    if (one !== undefined) return !few && !isKey(c) && !isCompared(c)
    return !isKey(c) && !(isCompared(c) && (numeric(c) || temporal(c)))
  }
  return { rank, hidden }
}

/** The columns of a table as people see them. */
export function tableColumns(columns: readonly Column[], manifest: Manifest, table: Table): TableColumn<RecordRow>[] {
  const { rank, hidden } = arrangement(columns, manifest, table)
  return columns
    .map((c, i) => ({ c, i }))
    .sort((a, b) => rank(a.c) - rank(b.c) || a.i - b.i)
    .map(({ c }) => {
      const cell = cellOf(c)
      return {
        id: c.name,
        header: headerOf(c, manifest, table),
        text: (row) => row.value(c.name) ?? '',
        cell: (row) => {
          const value = row.value(c.name)
          return value === null || value === undefined ? <None /> : cell(value)
        },
        numeric: numeric(c),
        width: widthOf(c, headerOf(c, manifest, table)),
        hidden: hidden(c),
        sortable: true,
      }
    })
}

function widthOf(c: Column, header: string): number {
  const least = Math.min(220, 36 + header.length * 7)
  const usual = numeric(c) ? 110 : c.type.kind === 'date' ? 110 : c.type.kind === 'boolean' ? 90 : 150
  return Math.max(least, usual)
}

/** The columns that can be filtered; those with few values of Kalla's own offer them. */
export function filterColumns(
  columns: readonly Column[],
  manifest: Manifest,
  table: Table,
  known: { reasons: string[]; passes: string[] },
): FilterColumn[] {
  const choices = (values: string[], label: (v: string) => string) => ({
    kind: 'choice' as const,
    choices: values.map((value) => ({ value, label: label(value) })),
  })
  const reason = reasonColumn(columns)
  return columns.map((c) => ({
    id: c.name,
    label: headerOf(c, manifest, table),
    kind: kindOf(c.type.kind),
    nullable: c.side !== undefined || c.name.startsWith('closest_'),
    ...(c.side === undefined && c.name === reason && choices(known.reasons, reasonText)),
    ...(c.side === undefined && c.name === 'pass' && choices(known.passes, (v) => v)),
    ...(c.side === undefined &&
      c.name === 'cardinality' &&
      choices(['one_to_one', 'one_to_many', 'many_to_one', 'many_to_many', 'all_pairs'], kindText)),
  }))
}
