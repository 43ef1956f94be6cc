import { api } from '@/lib/api'
import { decode, encode, type Filter } from '@/lib/filters'
import { plural } from '@/lib/format'
import { data } from '@/lib/http'
import { useCan } from '@/lib/me'
import { Page } from '@/shell/page'
import { profileQuery, sourceQuery, sourceTypesQuery, type Source as SourceInfo } from '@/sources/api'
import { answersOf } from '@/sources/form'
import { Profile } from '@/sources/profile'
import { ScopedSample } from '@/sources/scoped-sample'
import { SourceForm } from '@/sources/source-form'
import { AlertDialog } from '@/ui/dialog'
import { Button } from '@/ui/button'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { Note, Status } from '@/ui/status'
import { Tabs } from '@/ui/tabs'
import { toast } from '@/ui/toast'
import { DateTime, KeyValue } from '@/ui/values'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { Trash2, Unplug } from 'lucide-react'
import { useState } from 'react'

const route = getRouteApi('/sources/$alias')

/** A source: its rows, what its columns hold, where it is. */
export function Source() {
  const { alias } = route.useParams()
  const found = useQuery(sourceQuery(alias))
  const crumbs = [{ label: 'Sources', to: '/sources' }]
  if (!found.data)
    return (
      <Page title={alias} crumbs={crumbs}>
        {found.error ? <ErrorState error={found.error} onRetry={() => void found.refetch()} /> : <Loading />}
      </Page>
    )
  return <Found key={alias} source={found.data.source} etag={found.data.etag} />
}

function Found({ source, etag }: { source: SourceInfo; etag: string | null }) {
  const { alias } = source
  const can = useCan('sources.write')
  const client = useQueryClient()
  const navigate = useNavigate()
  const search: Record<string, unknown> = route.useSearch()
  const tab = typeof search['tab'] === 'string' ? search['tab'] : 'sample'
  const [filters, setFilters] = useState<Filter[]>(() =>
    typeof search['filter'] === 'string' ? decode(search['filter']) : [],
  )
  const usedBy = source.used_by ?? []

  const refresh = () => client.invalidateQueries({ queryKey: ['sources'] })
  const test = useMutation({
    mutationFn: () => data(api.POST('/api/sources/{alias}/test', { params: { path: { alias } } })),
    onSuccess: async (result) => {
      await refresh()
      if (result.ok) toast.done(`${alias} can be read`, { detail: `Its first rows came within ${result.ms} ms.` })
    },
    onError: (cause) => toast.failed('Testing the source', cause),
  })
  const failed = test.data && !test.data.ok ? test.data : undefined
  const why = failed?.error ?? (source.status === 'failed' ? source.error : undefined)

  async function remove() {
    try {
      await data(
        api.DELETE('/api/sources/{alias}', {
          params: { path: { alias }, query: usedBy.length > 0 ? { force: true } : {} },
        }),
      )
      await client.invalidateQueries({ queryKey: ['sources'], refetchType: 'none' })
      toast.done(`Source ${alias} deleted`)
      await navigate({ to: '/sources' })
    } catch (cause) {
      toast.failed('Deleting the source', cause)
    }
  }

  function show(next: { tab?: string; filters?: Filter[] }) {
    const shown = next.filters ?? filters
    setFilters(shown)
    const query = { tab: next.tab ?? tab, ...(shown.length > 0 && { filter: encode(shown) }) }
    void navigate({ to: '.', search: query as never, replace: true })
  }

  return (
    <Page
      title={alias}
      crumbs={[{ label: 'Sources', to: '/sources' }]}
      aside={<Status state={source.status} />}
      actions={
        can && (
          <>
            <AlertDialog
              trigger={
                <Button look="quiet" icon={<Trash2 size={14} />}>
                  Delete
                </Button>
              }
              title={`Delete the source ${alias}?`}
              description={
                usedBy.length > 0
                  ? `${usedBy.length === 1 ? 'The recipe' : 'The recipes'} ${usedBy.join(', ')} ${usedBy.length === 1 ? 'uses it and fails' : 'use it and fail'} until there is a source of this name again. The records themselves stay where they are.`
                  : source.upload_id
                    ? 'The uploaded file is deleted with it. No recipe uses it.'
                    : 'No recipe uses it. The records themselves stay where they are.'
              }
              action={usedBy.length > 0 ? 'Delete all the same' : 'Delete'}
              onConfirm={remove}
            />
            <Button icon={<Unplug size={14} />} busy={test.isPending} onClick={() => test.mutate()}>
              Test
            </Button>
          </>
        )
      }
    >
      <div className="card mb-4 px-4 py-3">
        <KeyValue
          items={[
            { label: 'Where', value: <code className="font-mono text-xs break-all">{source.uri}</code> },
            {
              label: 'Holds',
              value: (
                <>
                  {source.rows !== undefined && `${plural(source.rows, 'row')}, `}
                  {plural(source.columns?.length ?? 0, 'column')}
                </>
              ),
            },
            { label: 'Last read', value: <DateTime value={source.checked_at} relative /> },
            {
              label: 'Used by',
              value:
                usedBy.length === 0
                  ? 'no recipe'
                  : usedBy.map((id, i) => (
                      <span key={id}>
                        {i > 0 && ', '}
                        <Link to="/recipes/$id" params={{ id }} className="text-accent underline">
                          {id}
                        </Link>
                      </span>
                    )),
            },
          ]}
        />
      </div>
      {why !== undefined && (
        <div role="alert" className="mb-4">
          <Note tone="bad" title={`It could not be read: ${why}`}>
            {failed?.hint}
          </Note>
        </div>
      )}
      <Tabs
        label="Views of the source"
        value={tab}
        onChange={(next) => show({ tab: next })}
        tabs={[
          {
            value: 'sample',
            label: 'Sample',
            content: (
              <ScopedSample
                alias={alias}
                columns={source.columns}
                filters={filters}
                onFilters={(next) => show({ filters: next })}
              />
            ),
          },
          { value: 'columns', label: 'Columns', content: <Columns alias={alias} source={source} /> },
          ...(can && !source.upload_id
            ? [
                {
                  value: 'settings',
                  label: 'Settings',
                  content: <Settings source={source} etag={etag} done={() => show({ tab: 'sample' })} />,
                },
              ]
            : []),
        ]}
      />
    </Page>
  )
}

function Columns({ alias, source }: { alias: string; source: SourceInfo }) {
  const profile = useQuery(profileQuery(alias, []))
  if (profile.error) return <ErrorState error={profile.error} onRetry={() => void profile.refetch()} small />
  if (!profile.data)
    return (
      <Loading label="Reading every column">
        <p className="mb-2 text-sm text-muted">Reading the whole source to look at every column.</p>
        <Skeleton className="h-64 w-full" />
      </Loading>
    )
  return <Profile columns={source.columns ?? []} profile={profile.data} />
}

function Settings({ source, etag, done }: { source: SourceInfo; etag: string | null; done: () => void }) {
  const types = useQuery(sourceTypesQuery)
  if (types.error) return <ErrorState error={types.error} onRetry={() => void types.refetch()} small />
  if (!types.data) return <Loading />
  return (
    <SourceForm
      // A save elsewhere makes another form.
      key={etag}
      types={types.data}
      answers={answersOf(
        source,
        types.data.find((t) => t.type === source.source_type),
      )}
      source={{ source, etag }}
      onSaved={done}
      onCancel={done}
    />
  )
}
