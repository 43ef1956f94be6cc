import { api, listRows } from '@/lib/api'
import { useCan } from '@/lib/me'
import { Page } from '@/shell/page'
import type { Source } from '@/sources/api'
import type { Column } from '@/table/columns'
import { DataTable } from '@/table/data-table'
import { useRows } from '@/table/use-rows'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/states'
import { Status } from '@/ui/status'
import { Count, DateTime, None } from '@/ui/values'
import { Link, useNavigate } from '@tanstack/react-router'
import { Database, Plus } from 'lucide-react'

const columns: Column<Source>[] = [
  {
    id: 'alias',
    header: 'Name',
    text: (s) => s.alias,
    width: 220,
    cell: (s) => (
      <Link to="/sources/$alias" params={{ alias: s.alias }} className="font-medium hover:underline">
        {s.alias}
      </Link>
    ),
  },
  { id: 'type', header: 'Type', text: (s) => s.source_type, width: 90 },
  { id: 'state', header: 'State', text: (s) => s.status, width: 130, cell: (s) => <Status state={s.status} /> },
  {
    id: 'rows',
    header: 'Rows',
    text: (s) => String(s.rows ?? ''),
    numeric: true,
    width: 110,
    cell: (s) => <Count value={s.rows} />,
  },
  {
    id: 'columns',
    header: 'Columns',
    text: (s) => String(s.columns?.length ?? ''),
    numeric: true,
    width: 90,
    cell: (s) => <Count value={s.columns?.length} />,
  },
  {
    id: 'used',
    header: 'Used by',
    text: (s) => (s.used_by ?? []).join(', '),
    width: 220,
    cell: (s) => (s.used_by?.length ? s.used_by.join(', ') : <None />),
  },
  {
    id: 'checked',
    header: 'Last read',
    text: (s) => s.checked_at ?? '',
    width: 140,
    cell: (s) => <DateTime value={s.checked_at} relative />,
  },
  { id: 'uri', header: 'Where', text: (s) => s.uri, width: 380 },
]

/** The registered sources. */
export function Sources() {
  const navigate = useNavigate()
  const can = useCan('sources.write')
  const rows = useRows('sources', () =>
    listRows<Source>((query, signal) => api.GET('/api/sources', { params: { query }, signal })),
  )
  const add = (
    <Button asChild look="primary">
      <Link to="/sources/new">
        <Plus size={14} aria-hidden />
        Add a source
      </Link>
    </Button>
  )
  return (
    <Page
      title="Sources"
      about="Where records come from: files, buckets, databases. Recipes refer to them by name."
      actions={can && add}
      fill
    >
      <DataTable
        id="sources"
        label="Sources"
        rows={rows}
        columns={columns}
        rowKey={(s) => s.alias}
        onOpen={(s) => void navigate({ to: '/sources/$alias', params: { alias: s.alias } })}
        empty={
          <EmptyState title="No sources yet" icon={<Database size={18} />} {...(can && { actions: add })}>
            {can
              ? 'Add a file, a bucket or a table of a database. Two of them can be reconciled.'
              : 'Somebody with the permission to add sources has to add one.'}
          </EmptyState>
        }
      />
    </Page>
  )
}
