// What a form of a source asks for, and how its answers become a URI with options.
import type { Source, SourceField, SourceInput, SourceType } from './api'

/** The answers of the form, by the names of its fields; path is what is behind the scheme. */
export interface SourceAnswers {
  type: string
  alias: string
  values: Record<string, string>
  /** A whole URI in place of the fields that make one. */
  uri: string | undefined
}

export const noAnswers: SourceAnswers = { type: 'file', alias: '', values: {}, uri: undefined }

/** The form of a source that is there: its URI in parts where it is the scheme and a path, else as a whole. */
export function answersOf(source: Source, type: SourceType | undefined): SourceAnswers {
  const base = { type: source.source_type, alias: source.alias, values: { ...source.options } }
  const hasPath = type?.fields?.some((f) => f.kind === 'path') ?? false
  const rest = type && source.uri.startsWith(type.scheme) ? source.uri.slice(type.scheme.length) : undefined
  if (rest === undefined || /[?]/.test(rest) || (hasPath ? /^[^/]*@/.test(rest) : rest !== ''))
    return { ...base, uri: source.uri }
  return { ...base, values: hasPath ? { ...base.values, path: rest } : base.values, uri: undefined }
}

/** The format of a file as far as its name tells. */
export function formatOf(path: string): string | undefined {
  const name = path.toLowerCase().replace(/\.(gz|zst)$/, '')
  const ends: Record<string, string> = {
    csv: 'csv',
    tsv: 'csv',
    txt: 'csv',
    parquet: 'parquet',
    json: 'json',
    ndjson: 'ndjson',
    jsonl: 'ndjson',
    xlsx: 'xlsx',
  }
  return ends[/\.([a-z]+)$/.exec(name)?.[1] ?? '']
}

/** The fields that are asked for: those of other formats are not, and with a whole URI only those it cannot hold. */
export function fieldsOf(type: SourceType, answers: SourceAnswers): SourceField[] {
  const format = answers.values['format'] ?? formatOf(answers.uri ?? answers.values['path'] ?? '')
  return (type.fields ?? []).filter(
    (f) => (!f.format || f.format === format) && (answers.uri === undefined || f.kind !== 'path'),
  )
}

/** The source that the answers describe. Empty answers are left out: they mean the default. */
export function inputOf(type: SourceType, answers: SourceAnswers): SourceInput {
  const shown = new Set(fieldsOf(type, answers).map((f) => f.name))
  const options = Object.fromEntries(
    Object.entries(answers.values).filter(([name, value]) => name !== 'path' && value !== '' && shown.has(name)),
  )
  return {
    alias: answers.alias.trim(),
    source_type: type.type,
    uri: (answers.uri ?? type.scheme + (answers.values['path'] ?? '')).trim(),
    options,
  }
}

/** What has to be mended before the server is asked, by field. */
export function faultsOf(type: SourceType, answers: SourceAnswers): Record<string, string> {
  const faults: Record<string, string> = {}
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(answers.alias.trim()))
    faults['alias'] = answers.alias.trim()
      ? 'Letters, digits and _ only, not beginning with a digit, at most 63.'
      : 'Give the source a name.'
  if (answers.uri?.trim() === '') faults['uri'] = 'Write the URI.'
  if (answers.uri === undefined)
    for (const f of type.fields ?? [])
      if (f.required && !answers.values[f.name]?.trim()) faults[f.name] = 'This is needed.'
  return faults
}

const titles: Record<string, string> = {
  key_id: 'Access key',
  secret: 'Secret key',
  use_ssl: 'Use TLS',
  url_style: 'Address style',
  sslmode: 'TLS',
  ssl_mode: 'TLS',
  connect_timeout: 'Connection timeout',
  decimal: 'Decimal mark',
  thousands: 'Thousands mark',
  skip: 'Lines to skip',
  null: 'Text for no value',
  header: 'Header line',
  range: 'Range of cells',
}

/** What a field is called. */
export function titleOf(field: SourceField): string {
  return titles[field.name] ?? field.title.charAt(0).toUpperCase() + field.title.slice(1).replaceAll('_', ' ')
}
