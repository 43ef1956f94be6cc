// What the server knows of sources, and the way of a file to it.
import { api, type Schema } from '@/lib/api'
import { data } from '@/lib/http'
import { put } from '@/lib/upload'
import { queryOptions } from '@tanstack/react-query'
import { freeAlias } from './alias'

export type Source = Schema<'Source'>
export type SourceType = Schema<'SourceType'>
export type SourceField = Schema<'SourceField'>
export type SourceInput = Schema<'SourceInput'>
export type Upload = Schema<'Upload'>
export type Column = Schema<'JobColumn'>
export type ColumnProfile = Schema<'JobProfile'>
export type ApiFilter = Schema<'JobFilter'>

/** The registered sources, for choosing among; the list of a page has its own, which goes on. */
export const sourcesQuery = queryOptions({
  queryKey: ['sources'],
  queryFn: async ({ signal }) =>
    (await data(api.GET('/api/sources', { params: { query: { limit: 500 } }, signal }))) ?? [],
})

/** One source and the tag that a change of it has to name. */
export function sourceQuery(alias: string) {
  return queryOptions({
    queryKey: ['sources', alias],
    queryFn: async ({ signal }) => {
      const { data, response } = await api.GET('/api/sources/{alias}', { params: { path: { alias } }, signal })
      return { source: data as Source, etag: response.headers.get('ETag') }
    },
  })
}

export const sourceTypesQuery = queryOptions({
  queryKey: ['source-types'],
  queryFn: async ({ signal }) => (await data(api.GET('/api/source-types', { signal }))) ?? [],
  staleTime: Infinity,
})

/** Rows of a source that pass filters, and how many do. */
export function sampleQuery(alias: string, filters: ApiFilter[], limit: number) {
  return queryOptions({
    queryKey: ['sources', alias, 'sample', filters, limit],
    queryFn: ({ signal }) =>
      data(
        api.POST('/api/sources/{alias}/load-scoped', {
          params: { path: { alias } },
          body: { conditions: filters, limit },
          signal,
        }),
      ),
    staleTime: 60_000,
  })
}

/** What the columns of a source hold, over all rows that pass: reads the whole source. */
export function profileQuery(alias: string, filters: ApiFilter[]) {
  return queryOptions({
    queryKey: ['sources', alias, 'profile', filters],
    queryFn: async ({ signal }) => {
      const found = await data(
        api.POST('/api/sources/{alias}/load-scoped', {
          params: { path: { alias } },
          body: { conditions: filters, limit: 1, profile: true },
          signal,
        }),
      )
      return found.profile ?? []
    },
    staleTime: 300_000,
  })
}

/** Files that are understood, as a file input has them and as people read it. */
export const accept = '.csv,.tsv,.txt,.parquet,.json,.ndjson,.jsonl,.xlsx,.gz,.zst'
export const acceptWords = 'CSV, Excel, Parquet or JSON; also compressed with gzip or zstd'

/** Sends a file and has it looked at. It is kept for a day, or for good by keepUpload. */
export async function sendFile(file: File, progress: (share: number) => void, signal: AbortSignal): Promise<Upload> {
  const place = await data(api.POST('/api/uploads/presign', { body: { filename: file.name, size: file.size }, signal }))
  await put(place.presigned_url, file, place.headers ?? {}, progress, signal)
  return data(
    api.POST('/api/uploads/{id}/confirm', {
      params: { path: { id: place.upload_id } },
      body: { s3_uri: place.s3_uri, filename: file.name },
      signal,
    }),
  )
}

/** Makes a source of an upload. */
export async function keepUpload(upload: Upload, alias: string): Promise<Source> {
  return data(
    api.POST('/api/uploads/{id}/keep', {
      params: { path: { id: upload.upload_id } },
      body: { alias },
    }),
  )
}

/** Sends a file and keeps it as a source, under a name made of the file's. */
export async function fileToSource(
  file: File,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<Source> {
  const upload = await sendFile(file, progress, signal)
  const taken = (await data(api.GET('/api/sources', { params: { query: { limit: 500 } }, signal }))) ?? []
  return keepUpload(upload, freeAlias(file.name, new Set(taken.map((s) => s.alias))))
}
