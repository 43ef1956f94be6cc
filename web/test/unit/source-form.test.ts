import { freeAlias } from '@/sources/alias'
import type { Source, SourceType } from '@/sources/api'
import { answersOf, faultsOf, fieldsOf, formatOf, inputOf, noAnswers } from '@/sources/form'
import { describe, expect, test } from 'vitest'

const field = (name: string, more: object = {}) => ({ name, kind: 'text', title: name, required: false, ...more })
const s3: SourceType = {
  type: 's3',
  title: 'S3',
  scheme: 's3://',
  fields: [
    field('path', { kind: 'path', required: true }),
    field('secret', { kind: 'secret' }),
    field('format', { kind: 'choice', choices: ['csv', 'parquet'] }),
    field('delimiter', { format: 'csv' }),
  ],
}
const postgres: SourceType = {
  type: 'postgres',
  title: 'PostgreSQL',
  scheme: 'postgres://',
  fields: [field('host', { required: true }), field('password', { kind: 'secret' })],
}
const source = (uri: string, type: string, options = {}): Source => ({
  alias: 'bank',
  uri,
  source_type: type,
  status: 'connected',
  options,
  created_at: '',
  updated_at: '',
})

describe('the answers of a form', () => {
  test('make a URI and options, without what is empty or of another format', () => {
    const answers = {
      ...noAnswers,
      type: 's3',
      alias: ' bank ',
      values: { path: 'b/x.parquet', secret: '', delimiter: ';' },
    }
    expect(inputOf(s3, answers)).toEqual({ alias: 'bank', source_type: 's3', uri: 's3://b/x.parquet', options: {} })
    expect(inputOf(s3, { ...answers, values: { ...answers.values, format: 'csv' } }).options).toEqual({
      format: 'csv',
      delimiter: ';',
    })
  })

  test('of a database are options of its scheme', () => {
    const answers = { ...noAnswers, alias: 'ledger', values: { host: 'db', password: '${PW}' } }
    expect(inputOf(postgres, answers)).toEqual({
      alias: 'ledger',
      source_type: 'postgres',
      uri: 'postgres://',
      options: { host: 'db', password: '${PW}' },
    })
  })

  test('name what is missing', () => {
    expect(Object.keys(faultsOf(s3, noAnswers))).toEqual(['alias', 'path'])
    expect(Object.keys(faultsOf(s3, { ...noAnswers, alias: '1st', uri: 's3://b/x.csv' }))).toEqual(['alias'])
    expect(faultsOf(s3, { ...noAnswers, alias: 'bank', values: { path: 'b/x.csv' } })).toEqual({})
  })

  test('come back out of a source, secrets masked', () => {
    expect(answersOf(source('s3://b/x.csv', 's3', { secret: '****' }), s3)).toEqual({
      type: 's3',
      alias: 'bank',
      values: { path: 'b/x.csv', secret: '****' },
      uri: undefined,
    })
    expect(answersOf(source('postgres://', 'postgres', { host: 'db' }), postgres).uri).toBeUndefined()
  })

  test.each([
    ['postgres://u:****@db/books?table=a', 'postgres', postgres],
    ['s3://b/x.csv?secret=****', 's3', s3],
  ])('%s stays a URI', (uri, type, spec) => {
    const answers = answersOf(source(uri, type), spec)
    expect(answers.uri).toBe(uri)
    expect(inputOf(spec, answers).uri).toBe(uri)
    expect(fieldsOf(spec, answers).some((f) => f.kind === 'path')).toBe(false)
  })
})

test.each([
  ['/data/x.CSV', 'csv'],
  ['b/x.ndjson.gz', 'ndjson'],
  ['b/*.parquet', 'parquet'],
  ['b/x', undefined],
])('%s is %s', (path, format) => {
  expect(formatOf(path)).toBe(format)
})

test.each([
  ['Bank 2026-11.csv', [], 'bank_2026_11'],
  ['bank.csv.gz', ['bank', 'bank_2'], 'bank_3'],
  ['2026.xlsx', [], 'file_2026'],
  ['C:\\data\\Café.parquet', [], 'cafe'],
  ['l.csv', [], 'l_records'],
  ['???.csv', [], 'file_records'],
])('%s, with %j taken, becomes %s', (file, taken, alias) => {
  expect(freeAlias(file, new Set(taken))).toBe(alias)
})
