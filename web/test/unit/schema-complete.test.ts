import { complete, type JsonSchema } from '@/lib/schema-complete'
import { describe, expect, test } from 'vitest'

const schema: JsonSchema = {
  $defs: { side: { properties: { source: { description: 'Alias' }, key: { items: {} } } } },
  properties: {
    kalla: { const: 1 },
    left: { $ref: '#/$defs/side' },
    match: {
      items: {
        properties: {
          name: {},
          cardinality: { enum: ['one_to_one', 'one_to_many'] },
          when: {
            items: {
              anyOf: [
                { properties: { left: {}, op: { enum: ['eq', 'neq'] } } },
                { properties: { subset: { type: 'boolean' } } },
              ],
            },
          },
        },
      },
    },
  },
}

// The place is marked by |.
const at = (text: string) => complete(schema, text.replace('|', ''), text.indexOf('|')).options.map((o) => o.label)

describe('completion of YAML by a schema', () => {
  test.each([
    ['|', ['kalla', 'left', 'match']],
    ['kalla: 1\nle|', ['kalla', 'left', 'match']],
    ['left:\n  |', ['source', 'key']],
    ['match:\n  - |', ['name', 'cardinality', 'when']],
    ['match:\n- |', ['name', 'cardinality', 'when']],
    ['match:\n  - name: x\n    |', ['name', 'cardinality', 'when']],
    ['match:\n  - name: x\n    cardinality: |', ['one_to_one', 'one_to_many']],
    ['match:\n  - name: x\n    when:\n      - |', ['left', 'op', 'subset']],
    ['match:\n  - when:\n      - left: a\n        op: |', ['eq', 'neq']],
    ['match:\n  - when:\n      - subset: |', ['true', 'false']],
    ['match:\n  - when:\n      - left: a\n  - |', ['name', 'cardinality', 'when']],
    ['unknown:\n  |', []],
  ])('%j', (text, want) => {
    expect(at(text)).toEqual(want)
  })

  test('replaces the word that was begun', () => {
    expect(complete(schema, 'left:\n  sou', 11)).toEqual({
      from: 8,
      options: [
        { label: 'source', apply: 'source: ', info: 'Alias' },
        { label: 'key', apply: 'key: ' },
      ],
    })
  })
})
