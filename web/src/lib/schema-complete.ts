// What a JSON Schema allows at a place of a YAML text: enough of both for
// completing block style, which recipes are written in.

/** The parts of a JSON Schema that are used. */
export interface JsonSchema {
  $ref?: string
  $defs?: Record<string, JsonSchema>
  properties?: Record<string, JsonSchema>
  additionalProperties?: JsonSchema | boolean
  items?: JsonSchema
  enum?: (string | number | boolean | null)[]
  const?: string | number | boolean | null
  type?: string | string[]
  description?: string
  allOf?: JsonSchema[]
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
}

export interface SchemaOption {
  label: string
  /** What is inserted where it is not the label. */
  apply: string
  info?: string
}

/** The options at a position of the text, and where the word begins that they replace. */
export function complete(
  schema: JsonSchema,
  text: string,
  position: number,
): { from: number; options: SchemaOption[] } {
  const before = text.slice(0, position)
  const lines = before.split('\n')
  const line = lines.pop() ?? ''
  const word = /[\w-]*$/.exec(line.replace(/^(\s*(- )*)/, (lead) => ' '.repeat(lead.length)))?.[0] ?? ''
  const from = position - word.length
  const key = /^\s*(?:- )*([\w-]+):\s+/.exec(line)?.[1]
  const path = pathOf(lines, line)
  const places = path.reduce((schemas, step) => schemas.flatMap((s) => into(schema, s, step)), [schema])
  if (key !== undefined) {
    const values = places.flatMap((s) => into(schema, s, key)).flatMap((s) => valuesOf(schema, s))
    return { from, options: unique(values.map((label) => ({ label, apply: label }))) }
  }
  const fields = places.flatMap((s) => variants(schema, s)).flatMap((s) => Object.entries(s.properties ?? {}))
  const options = fields.map(([label, field]) => {
    const info = resolve(schema, field).description
    return { label, apply: `${label}: `, ...(info !== undefined && { info }) }
  })
  return { from, options: unique(options) }
}

// The keys and list items around a line, from the outside in. '-' is an item.
function pathOf(lines: string[], line: string): string[] {
  const path: string[] = []
  let column = contentColumn(line)
  const dashes = /^\s*((?:- )+)/.exec(line)?.[1]
  if (dashes) {
    for (let i = 0; i < dashes.length / 2; i++) path.unshift('-')
    column = line.search(/\S/)
  }
  for (let i = lines.length - 1; i >= 0 && column >= 0; i--) {
    const above = lines[i] ?? ''
    if (/^\s*(#|$)/.test(above)) continue
    const [, lead = '', items = '', key] = /^(\s*)((?:- )*)([\w-]+):/.exec(above) ?? []
    if (key === undefined) continue
    const at = lead.length + items.length
    // A list may stand at the column of its key.
    const holdsList = path[0] === '-' && at === column && items === '' && /:\s*$/.test(above)
    if (at < column || holdsList) {
      path.unshift(key)
      column = at
    }
    if (items && at === column) {
      path.unshift('-')
      column = lead.length
    }
  }
  return path
}

function contentColumn(line: string): number {
  return /^(\s*(?:- )*)/.exec(line)?.[0].length ?? 0
}

function resolve(root: JsonSchema, schema: JsonSchema): JsonSchema {
  const name = /^#\/\$defs\/(.+)$/.exec(schema.$ref ?? '')?.[1]
  const found = name === undefined ? undefined : root.$defs?.[name]
  return found ? resolve(root, found) : schema
}

function variants(root: JsonSchema, schema: JsonSchema): JsonSchema[] {
  const s = resolve(root, schema)
  return [s, ...[...(s.allOf ?? []), ...(s.anyOf ?? []), ...(s.oneOf ?? [])].flatMap((v) => variants(root, v))]
}

function into(root: JsonSchema, schema: JsonSchema, step: string): JsonSchema[] {
  return variants(root, schema).flatMap((s) => {
    if (step === '-') return s.items ? [s.items] : []
    const field = s.properties?.[step]
    if (field) return [field]
    return typeof s.additionalProperties === 'object' ? [s.additionalProperties] : []
  })
}

function valuesOf(root: JsonSchema, schema: JsonSchema): string[] {
  return variants(root, schema).flatMap((s) => {
    if (s.enum) return s.enum.map(String)
    if (s.const !== undefined) return [String(s.const)]
    return s.type === 'boolean' ? ['true', 'false'] : []
  })
}

function unique(options: SchemaOption[]): SchemaOption[] {
  return [...new Map(options.map((o) => [o.label, o])).values()]
}
