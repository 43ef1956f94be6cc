import { RateSparkline } from '@/charts/sparkline'
import { api, listRows } from '@/lib/api'
import { useCan } from '@/lib/me'
import type { RecipeItem } from '@/recipes/api'
import { Page } from '@/shell/page'
import type { Column } from '@/table/columns'
import { DataTable } from '@/table/data-table'
import { useRows } from '@/table/use-rows'
import { Button } from '@/ui/button'
import { EmptyState } from '@/ui/states'
import { Status } from '@/ui/status'
import { Count, DateTime, None, Percent } from '@/ui/values'
import { Link, useNavigate } from '@tanstack/react-router'
import { ListChecks, Plus } from 'lucide-react'

const columns: Column<RecipeItem>[] = [
  {
    id: 'name',
    header: 'Name',
    text: (r) => r.name || r.recipe_id,
    width: 240,
    cell: (r) => (
      <Link to="/recipes/$id" params={{ id: r.recipe_id }} className="font-medium hover:underline">
        {r.name || r.recipe_id}
      </Link>
    ),
  },
  { id: 'sources', header: 'Compares', text: (r) => `${r.left} with ${r.right}`, width: 220 },
  {
    id: 'passes',
    header: 'Passes',
    text: (r) => String(r.passes),
    numeric: true,
    width: 80,
    cell: (r) => (r.passes > 0 ? <Count value={r.passes} /> : 'SQL'),
  },
  {
    id: 'rates',
    header: 'Match rates',
    text: (r) => (r.rates ?? []).join(', '),
    width: 130,
    cell: (r) => <RateSparkline rates={r.rates ?? []} />,
  },
  {
    id: 'rate',
    header: 'Last rate',
    text: (r) => r.last_run?.match_rate ?? '',
    numeric: true,
    width: 100,
    cell: (r) =>
      r.last_run ? (
        <Link to="/runs/$id" params={{ id: r.last_run.run_id }} className="hover:underline">
          <Percent value={r.last_run.match_rate} />
        </Link>
      ) : (
        <None />
      ),
  },
  {
    id: 'state',
    header: 'Last run',
    text: (r) => r.last_run?.status ?? '',
    width: 150,
    cell: (r) =>
      r.last_run ? <Status state={r.last_run.under_target ? 'under_target' : r.last_run.status} /> : <None />,
  },
  {
    id: 'updated',
    header: 'Changed',
    text: (r) => r.updated_at,
    width: 140,
    cell: (r) => <DateTime value={r.updated_at} relative />,
  },
  { id: 'by', header: 'By', text: (r) => r.updated_by, width: 140 },
  { id: 'version', header: 'Version', text: (r) => String(r.version), numeric: true, width: 80 },
  { id: 'id', header: 'Id', text: (r) => r.recipe_id, width: 180, hidden: true },
]

/** The recipes. */
export function Recipes() {
  const navigate = useNavigate()
  const can = useCan('recipes.write')
  const rows = useRows('recipes', () =>
    listRows<RecipeItem>((query, signal) => api.GET('/api/recipes', { params: { query }, signal })),
  )
  const start = (
    <Button asChild look="primary">
      <Link to="/new">
        <Plus size={14} aria-hidden />
        New reconciliation
      </Link>
    </Button>
  )
  return (
    <Page
      title="Recipes"
      about="What is compared with what, and when two records match."
      actions={
        can && (
          <>
            <Button asChild>
              <Link to="/recipes/new">Write YAML</Link>
            </Button>
            {start}
          </>
        )
      }
      fill
    >
      <DataTable
        id="recipes"
        label="Recipes"
        rows={rows}
        columns={columns}
        rowKey={(r) => r.recipe_id}
        onOpen={(r) => void navigate({ to: '/recipes/$id', params: { id: r.recipe_id } })}
        empty={
          <EmptyState title="No recipes yet" icon={<ListChecks size={18} />} {...(can && { actions: start })}>
            {can
              ? 'Two sources are enough: rules are proposed from their records.'
              : 'Somebody with the permission to write recipes has to make one.'}
          </EmptyState>
        }
      />
    </Page>
  )
}
