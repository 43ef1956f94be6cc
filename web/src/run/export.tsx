import type { Run, Schema } from '@/lib/api'
import { bytes, count } from '@/lib/format'
import { send } from '@/lib/http'
import { Button } from '@/ui/button'
import { Radio } from '@/ui/choice'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Select } from '@/ui/select'
import { ErrorState } from '@/ui/states'
import { Note } from '@/ui/status'
import { useEffect, useRef, useState } from 'react'
import { labelOf } from './words'
import { tables, type Table } from './search'

type Format = 'xlsx' | 'csv' | 'parquet'

const formats = [
  { value: 'xlsx', label: 'Excel workbook (.xlsx)', hint: 'All tables, a sheet each, with a summary in front.' },
  { value: 'csv', label: 'CSV', hint: 'For any program; several tables come as a zip archive.' },
  {
    value: 'parquet',
    label: 'Parquet',
    hint: 'For DuckDB, Spark and pandas, with types; several tables come as a zip archive.',
  },
]

// A worksheet has no more rows than this.
const sheetRows = 1_048_575

/** How far a download is: undefined while the server is still making it. */
interface Coming {
  taken: number
  size: number | undefined
}

/** Takes a file from the server; the name is the server's. */
async function download(url: string, tell: (coming: Coming) => void, signal: AbortSignal): Promise<void> {
  const response = await send(new Request(new URL(url, location.href), { signal }))
  const size = Number(response.headers.get('Content-Length')) || undefined
  const name = /filename="?([^";]+)"?/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? 'export'
  const parts: BlobPart[] = []
  let taken = 0
  const reader = response.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    parts.push(value)
    taken += value.length
    tell({ taken, size })
  }
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob(parts, { type: response.headers.get('Content-Type') ?? '' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

export interface ExportDialogProps {
  run: Run
  summary: Schema<'Summary'>
  /** The table that is looked at. */
  table: Table | undefined
  /** Whether it is filtered or searched. */
  narrowed: boolean
  close: () => void
}

/** Takes the result along as a file. */
export function ExportDialog({ run, summary, table, narrowed, close }: ExportDialogProps) {
  const [format, setFormat] = useState<Format>('xlsx')
  const [which, setWhich] = useState<Table | 'all'>('all')
  const [coming, setComing] = useState<Coming | 'making'>()
  const [failure, setFailure] = useState<unknown>()
  const work = useRef<AbortController>(null)
  useEffect(() => () => work.current?.abort(), [])
  const most = Math.max(summary.pairs, summary.left.unmatched, summary.right.unmatched)

  async function start() {
    const abort = new AbortController()
    work.current = abort
    setFailure(undefined)
    setComing('making')
    const query = new URLSearchParams({ format, ...(which !== 'all' && format !== 'xlsx' && { table: which }) })
    try {
      await download(`/api/runs/${encodeURIComponent(run.run_id)}/export?${query.toString()}`, setComing, abort.signal)
      close()
    } catch (cause) {
      if (!abort.signal.aborted) setFailure(cause)
    } finally {
      setComing(undefined)
    }
  }

  const share = coming !== undefined && coming !== 'making' && coming.size ? coming.taken / coming.size : undefined
  return (
    <Dialog
      open
      onOpenChange={(open) => open || close()}
      title="Export"
      description="The evidence of this run as files to keep or to hand on."
      footer={
        coming === undefined ? (
          <>
            <Button onClick={close}>Cancel</Button>
            <Button look="primary" onClick={() => void start()}>
              Export
            </Button>
          </>
        ) : (
          <Button onClick={() => work.current?.abort()}>Stop</Button>
        )
      }
    >
      {coming === undefined ? (
        <div className="flex flex-col gap-4">
          <Radio label="Format" value={format} onChange={(f) => setFormat(f as Format)} options={formats} />
          {format !== 'xlsx' && (
            <Field label="Tables">
              <Select
                value={which}
                onChange={(w) => setWhich(w as Table | 'all')}
                options={[
                  { value: 'all', label: 'All of them' },
                  ...tables.map((t) => ({ value: t, label: labelOf(t, summary) })),
                ]}
              />
            </Field>
          )}
          {narrowed && table !== undefined && (
            <Note tone="warn">
              Whole tables are exported. The search and the filters of “{labelOf(table, summary)}” are not applied.
            </Note>
          )}
          {format === 'xlsx' && most > sheetRows && (
            <Note tone="warn">
              A worksheet holds {count(sheetRows)} rows, and a table of this run has {count(most)}. Choose CSV or
              Parquet.
            </Note>
          )}
          {failure !== undefined && <ErrorState error={failure} small />}
        </div>
      ) : (
        <div role="status" aria-live="polite">
          <p className="mb-2 text-sm">
            {coming === 'making'
              ? 'The server is making the file. Large results take a while.'
              : `${bytes(coming.taken)}${coming.size ? ` of ${bytes(coming.size)}` : ''}`}
          </p>
          <div
            role="progressbar"
            aria-label="Export"
            aria-valuemin={0}
            aria-valuemax={100}
            {...(share !== undefined && { 'aria-valuenow': Math.floor(share * 100) })}
            className="h-1.5 overflow-hidden rounded-full bg-hover"
          >
            <div
              className={`h-full rounded-full bg-accent-strong ${share === undefined ? 'w-1/3 animate-pulse' : ''}`}
              style={share === undefined ? undefined : { width: `${share * 100}%` }}
            />
          </div>
        </div>
      )}
    </Dialog>
  )
}
