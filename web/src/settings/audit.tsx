import { api, type Schema } from '@/lib/api'
import { plural } from '@/lib/format'
import { data, nextCursor } from '@/lib/http'
import { Button } from '@/ui/button'
import { Sheet } from '@/ui/dialog'
import { Input } from '@/ui/input'
import { Select } from '@/ui/select'
import { EmptyState, ErrorState } from '@/ui/states'
import { Note } from '@/ui/status'
import { rowLink, Table, type TableColumn } from '@/ui/table'
import { DateTime, KeyValue } from '@/ui/values'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Panel } from './panel'

type Entry = Schema<'AuditEntry'>

const subjects = ['source', 'recipe', 'run', 'user', 'token', 'setting']

/** Who changed what, and that nobody changed the record of it. */
export function Audit() {
  const [subject, setSubject] = useState('')
  const [id, setId] = useState('')
  const [open, setOpen] = useState<Entry>()
  const list = useInfiniteQuery({
    queryKey: ['audit', subject, id],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => {
      const { data: entries, response } = await api.GET('/api/audit', {
        signal,
        params: {
          query: {
            limit: 50,
            ...(pageParam && { cursor: pageParam }),
            ...(subject && { object_type: subject }),
            ...(id.trim() && { object_id: id.trim() }),
          },
        },
      })
      return { entries: entries ?? [], next: nextCursor(response) }
    },
    getNextPageParam: (page) => page.next,
    placeholderData: (before) => before,
  })
  const entries = list.data?.pages.flatMap((page) => page.entries)
  const columns: TableColumn<Entry>[] = [
    { id: 'at', header: 'When', cell: (e) => <DateTime value={e.at} /> },
    {
      id: 'actor',
      header: 'Who',
      from: 'sm',
      cell: (e) => <span className="block max-w-56 truncate">{e.actor || 'nobody'}</span>,
    },
    {
      id: 'action',
      header: 'What',
      grows: true,
      cell: (e) => (
        <>
          <button type="button" className={`${rowLink} text-left`} onClick={() => setOpen(e)}>
            {words[e.action] ?? e.action}
          </button>
          <span className="block truncate text-xs text-muted sm:hidden">{e.actor || 'nobody'}</span>
        </>
      ),
    },
    {
      id: 'object',
      header: 'Of',
      from: 'lg',
      cell: (e) => (
        <span className="block max-w-48 truncate text-muted xl:max-w-72" title={e.object_id}>
          {e.object_id}
        </span>
      ),
    },
    { id: 'seq', header: 'Entry', numeric: true, from: 'lg', cell: (e) => <span className="text-muted">{e.seq}</span> },
  ]
  return (
    <>
      <Proof />
      <Panel
        title="Audit log"
        flush
        actions={
          <div className="flex flex-wrap gap-2">
            <div className="w-36">
              <Select
                small
                aria-label="Subject"
                value={subject || 'all'}
                onChange={(value) => setSubject(value === 'all' ? '' : value)}
                options={[
                  { value: 'all', label: 'Everything' },
                  ...subjects.map((value) => ({ value, label: `${value.charAt(0).toUpperCase()}${value.slice(1)}s` })),
                ]}
              />
            </div>
            <div className="w-44">
              <Input
                small
                type="search"
                aria-label="Id of what was changed"
                placeholder="Id"
                value={id}
                onChange={(event) => setId(event.target.value)}
              />
            </div>
          </div>
        }
      >
        {list.error && !list.data ? (
          <ErrorState small error={list.error} onRetry={() => void list.refetch()} />
        ) : entries?.length === 0 ? (
          <EmptyState small title="No entry is like that">
            Choose another subject, or take the id away.
          </EmptyState>
        ) : (
          <Table label="Audit log" columns={columns} rows={entries} rowKey={(e) => String(e.seq)} expected={8} />
        )}
        {list.hasNextPage && (
          <div className="border-t border-line p-3 text-center">
            <Button small busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              Show older entries
            </Button>
          </div>
        )}
      </Panel>
      <Sheet
        open={open !== undefined}
        onOpenChange={(next) => next || setOpen(undefined)}
        title={open ? (words[open.action] ?? open.action) : ''}
      >
        {open && <Details entry={open} />}
      </Sheet>
    </>
  )
}

const words: Record<string, string> = {
  'recipe.save': 'Saved a recipe',
  'recipe.delete': 'Deleted a recipe',
  'run.create': 'Started a run',
  'run.request_cancel': 'Asked for a run to be stopped',
  'run.cancel': 'Stopped a run',
  'run.complete': 'Run completed',
  'run.fail': 'Run failed',
  'run.approved': 'Approved a run',
  'run.rejected': 'Rejected a run',
  'run.export': 'Exported records',
  'setting.set': 'Set a setting',
  'source.save': 'Saved a source',
  'source.delete': 'Deleted a source',
  'token.create': 'Made an API token',
  'token.delete': 'Revoked an API token',
  'user.create': 'Added a user',
  'user.update': 'Changed a user',
  'user.delete': 'Deleted a user',
  'user.sign_in': 'Signed in',
  'user.sign_in_failed': 'Failed to sign in',
  'user.sign_out': 'Signed out',
  'user.sign_out_everywhere': 'Signed out everywhere',
}

function Details({ entry }: { entry: Entry }) {
  return (
    <div className="flex flex-col gap-4">
      <KeyValue
        items={[
          { label: 'Entry', value: <span className="num">{entry.seq}</span> },
          { label: 'When', value: <DateTime value={entry.at} /> },
          { label: 'Who', value: entry.actor || 'nobody' },
          { label: 'From', value: entry.address || '–' },
          { label: 'Of', value: `${entry.object_type} ${entry.object_id}` },
          { label: 'Hash', value: <code className="font-mono text-xs break-all">{entry.hash}</code> },
        ]}
      />
      {entry.detail !== undefined && entry.detail !== null && (
        <pre className="overflow-x-auto rounded-md bg-sunken p-3 font-mono text-xs" tabIndex={0} aria-label="Detail">
          {JSON.stringify(entry.detail, undefined, 2)}
        </pre>
      )}
    </div>
  )
}

/** Each entry carries a hash over the one before it; whoever changes one breaks the chain. */
function Proof() {
  const proof = useQuery({
    queryKey: ['audit', 'proof'],
    enabled: false,
    queryFn: ({ signal }) => data(api.GET('/api/audit/proof', { signal })),
  })
  return (
    <Panel
      title="Proof"
      about="Each entry carries a hash over the one before it, so that none can be changed or taken out without a trace."
      actions={
        <Button small busy={proof.isFetching} onClick={() => void proof.refetch()}>
          {proof.data ? 'Check again' : 'Check the log'}
        </Button>
      }
    >
      {proof.error ? (
        <ErrorState small error={proof.error} onRetry={() => void proof.refetch()} />
      ) : (
        proof.data && <Found proof={proof.data} />
      )}
    </Panel>
  )
}

function Found({ proof }: { proof: Schema<'AuditProof'> }) {
  return (
    <div role="status">
      {proof.whole ? (
        <Note tone="ok" title="The log is whole">
          {plural(proof.entries, 'entry', 'entries')} checked; nothing was changed or taken out.
        </Note>
      ) : (
        <Note tone="bad" title={`The log is broken at entry ${proof.broken_at ?? '?'}`}>
          {proof.why}. Compare it with a backup, and find out who had access to the database.
        </Note>
      )}
    </div>
  )
}
