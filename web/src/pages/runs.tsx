import { api, isActive } from '@/lib/api'
import { data, nextCursor } from '@/lib/http'
import { useCan } from '@/lib/me'
import { RunTable } from '@/runs/list'
import { shownStates, type RunsSearch } from '@/runs/search'
import { Page } from '@/shell/page'
import { Button } from '@/ui/button'
import { Combobox } from '@/ui/combobox'
import { Select } from '@/ui/select'
import { EmptyState, ErrorState } from '@/ui/states'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link } from '@tanstack/react-router'
import { Play } from 'lucide-react'

const times = [
  { value: '1', label: 'Last 24 hours' },
  { value: '7', label: 'Last 7 days' },
  { value: '30', label: 'Last 30 days' },
]

const route = getRouteApi('/runs')

export function Runs() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const may = useCan('recipes.write')
  const list = useInfiniteQuery({
    queryKey: ['runs', search],
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => {
      const { data: runs, response } = await api.GET('/api/runs', {
        signal,
        params: {
          query: {
            limit: 50,
            ...(pageParam && { cursor: pageParam }),
            ...(search.state && { status: [...shownStates[search.state].of] }),
            ...(search.recipe !== undefined && { recipe_id: search.recipe }),
            ...(search.days !== undefined && { since: new Date(Date.now() - search.days * 86_400_000).toISOString() }),
          },
        },
      })
      return { runs: runs ?? [], next: nextCursor(response) }
    },
    getNextPageParam: (page) => page.next,
    refetchInterval: ({ state }) => (state.data?.pages.some((page) => page.runs.some(isActive)) ? 2000 : 15_000),
  })
  const recipes = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => data(api.GET('/api/overview', { signal })),
  }).data?.recipes
  const runs = list.data?.pages.flatMap((page) => page.runs)
  const filtered = Object.keys(search).length > 0
  const set = (change: RunsSearch) => void navigate({ search: (was) => ({ ...was, ...change }), replace: true })
  return (
    <Page
      title="Runs"
      about="Every reconciliation that was started, newest first."
      actions={
        may && (
          <Button asChild look="primary">
            <Link to="/new">New reconciliation</Link>
          </Button>
        )
      }
    >
      <div className="mb-3 grid grid-cols-2 gap-2 sm:flex sm:*:w-44" role="group" aria-label="Filters">
        <Select
          aria-label="State"
          value={search.state ?? 'all'}
          onChange={(state) => set({ state: state === 'all' ? undefined : (state as RunsSearch['state']) })}
          options={[
            { value: 'all', label: 'Any state' },
            ...Object.entries(shownStates).map(([value, { label }]) => ({ value, label })),
          ]}
        />
        <Combobox
          aria-label="Recipe"
          value={search.recipe ?? ''}
          onChange={(recipe) => set({ recipe: recipe || undefined })}
          options={[
            { value: '', label: 'Any recipe' },
            ...(recipes ?? []).map((recipe) => ({ value: recipe.recipe_id, label: recipe.name })),
          ]}
        />
        <Select
          aria-label="Time"
          value={search.days === undefined ? 'all' : String(search.days)}
          onChange={(days) => set({ days: days === 'all' ? undefined : Number(days) })}
          options={[{ value: 'all', label: 'Any time' }, ...times]}
        />
        {filtered && (
          <Button look="quiet" className="sm:w-auto" onClick={() => void navigate({ search: {}, replace: true })}>
            Clear
          </Button>
        )}
      </div>
      <section className="card overflow-hidden" aria-label="Runs">
        {runs === undefined && list.error ? (
          <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        ) : runs?.length === 0 ? (
          filtered ? (
            <EmptyState
              title="No run is like that"
              actions={<Button onClick={() => void navigate({ search: {} })}>Show all runs</Button>}
            >
              Take a filter away to see others.
            </EmptyState>
          ) : (
            <EmptyState
              icon={<Play size={18} />}
              title="Nothing was run yet"
              actions={
                may && (
                  <Button asChild look="primary">
                    <Link to="/new">New reconciliation</Link>
                  </Button>
                )
              }
            >
              Choose two sources, look at the rules that are proposed, and run them: the result is here from then on.
            </EmptyState>
          )
        ) : (
          <RunTable label="Runs" runs={runs} expected={8} />
        )}
      </section>
      {list.hasNextPage && (
        <Button className="mt-3 self-center" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show older runs
        </Button>
      )}
    </Page>
  )
}
