import { api } from '@/lib/api'
import { data, ifMatch } from '@/lib/http'
import { useCan } from '@/lib/me'
import { recipeQuery, type RecipeInfo } from '@/recipes/api'
import { RecipeEditor } from '@/recipes/editor'
import { RunDialog } from '@/recipes/run-dialog'
import { SaveDialog } from '@/recipes/save-dialog'
import { useDocument } from '@/recipes/use-document'
import { Versions } from '@/recipes/versions'
import { Page } from '@/shell/page'
import { Button, IconButton } from '@/ui/button'
import { AlertDialog } from '@/ui/dialog'
import { ErrorState, Loading } from '@/ui/states'
import { Badge, Note } from '@/ui/status'
import { Tabs } from '@/ui/tabs'
import { toast } from '@/ui/toast'
import { DateTime, Percent } from '@/ui/values'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, Link, useBlocker, useNavigate } from '@tanstack/react-router'
import { Play, Trash2 } from 'lucide-react'
import { useState } from 'react'

const route = getRouteApi('/recipes/$id')
const crumbs = [{ label: 'Recipes', to: '/recipes' }]

/** A recipe: what it says, its history, and its runs. */
export function Recipe() {
  const { id } = route.useParams()
  const found = useQuery(recipeQuery(id))
  if (!found.data)
    return (
      <Page title={id} crumbs={crumbs}>
        {found.error ? <ErrorState error={found.error} onRetry={() => void found.refetch()} /> : <Loading />}
      </Page>
    )
  return <Found key={id} recipe={found.data.recipe} etag={found.data.etag} />
}

function Found({ recipe, etag }: { recipe: RecipeInfo; etag: string | null }) {
  const id = recipe.recipe_id
  const canWrite = useCan('recipes.write')
  const canRun = useCan('runs.write')
  const client = useQueryClient()
  const navigate = useNavigate()
  const search: Record<string, unknown> = route.useSearch()
  const tab = search['tab'] === 'versions' ? 'versions' : 'rules'
  // What is edited: it stays when somebody else saves, who is met when this is saved.
  const [base, setBase] = useState({ document: recipe.document, etag })
  const draft = useDocument(recipe.document)
  const [saving, setSaving] = useState(false)
  const [running, setRunning] = useState(false)
  const changed = draft.text !== base.document
  const right = draft.current && draft.checked?.valid === true
  const name = recipe.name || id

  useBlocker({
    shouldBlockFn: () => changed && !confirm('Leave without saving the changes of this recipe?'),
    enableBeforeUnload: () => changed,
  })

  async function remove() {
    try {
      await data(
        api.DELETE('/api/recipes/{recipe_id}', {
          params: { path: { recipe_id: id }, header: ifMatch(etag) },
        }),
      )
      setBase({ document: draft.text, etag })
      await client.invalidateQueries({ queryKey: ['recipes'], refetchType: 'none' })
      toast.done(`Recipe ${name} deleted`)
      await navigate({ to: '/recipes', ignoreBlocker: true })
    } catch (cause) {
      toast.failed('Deleting the recipe', cause)
    }
  }

  return (
    <Page
      title={name}
      crumbs={crumbs}
      aside={<Badge tone={changed ? 'warn' : 'neutral'}>{changed ? 'Not saved' : `Version ${recipe.version}`}</Badge>}
      about={
        <>
          {recipe.description && `${recipe.description} · `}
          Changed <DateTime value={recipe.created_at} relative /> by {recipe.author}
          {recipe.last_run && (
            <>
              {' · '}
              <Link to="/runs/$id" params={{ id: recipe.last_run.run_id }} className="text-accent underline">
                last run{' '}
                {recipe.last_run.match_rate ? <Percent value={recipe.last_run.match_rate} /> : recipe.last_run.status}
              </Link>
            </>
          )}
        </>
      }
      actions={
        <>
          {canWrite && (
            <AlertDialog
              trigger={
                <IconButton label="Delete the recipe">
                  <Trash2 size={15} />
                </IconButton>
              }
              title={`Delete the recipe ${name}?`}
              description="It leaves the lists and cannot be run any more. Its runs and their evidence stay, and saving a recipe of this id brings it back."
              action="Delete"
              onConfirm={remove}
            />
          )}
          {canWrite && changed && (
            <>
              <Button look="quiet" onClick={() => draft.type(base.document)}>
                Discard
              </Button>
              <Button
                look="primary"
                disabled={!right}
                title={right ? undefined : 'It can be saved once nothing is wrong with it'}
                onClick={() => setSaving(true)}
              >
                Save
              </Button>
            </>
          )}
          {canRun && (
            <Button
              look={changed ? 'secondary' : 'primary'}
              icon={<Play size={14} />}
              disabled={changed}
              title={changed ? 'Save it first: the saved version is run' : undefined}
              onClick={() => setRunning(true)}
            >
              Run
            </Button>
          )}
        </>
      }
    >
      {etag !== base.etag && (
        <div className="mb-3">
          <Note tone="warn" title={`${recipe.author} saved version ${recipe.version} meanwhile`}>
            {changed ? (
              'You are asked what to keep when you save.'
            ) : (
              <Button
                small
                className="mt-1"
                onClick={() => {
                  setBase({ document: recipe.document, etag })
                  draft.type(recipe.document)
                }}
              >
                Show it
              </Button>
            )}
          </Note>
        </div>
      )}
      <Tabs
        label="Views of the recipe"
        value={tab}
        onChange={(next) =>
          void navigate({ to: '.', search: { tab: next } as never, replace: true, ignoreBlocker: true })
        }
        tabs={[
          { value: 'rules', label: 'Rules', content: <RecipeEditor draft={draft} readOnly={!canWrite} /> },
          { value: 'versions', label: 'Versions', count: recipe.version, content: <Versions id={id} /> },
        ]}
      />
      <SaveDialog
        open={saving}
        onOpenChange={setSaving}
        id={id}
        document={draft.text}
        etag={base.etag}
        onSaved={(version) => {
          setSaving(false)
          setBase({ document: draft.text, etag: `"${version}"` })
        }}
        onTheirs={(theirs) => {
          setSaving(false)
          setBase({ document: theirs.document, etag: `"${theirs.version}"` })
          draft.type(theirs.document)
        }}
      />
      <RunDialog
        open={running}
        onOpenChange={setRunning}
        recipeId={id}
        name={name}
        parameters={recipe.parameters ?? []}
      />
    </Page>
  )
}
