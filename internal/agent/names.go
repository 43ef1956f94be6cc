package agent

// The names of the tools.
const (
	ToolListSources    = "list_sources"
	ToolPreview        = "get_source_preview"
	ToolLoadScoped     = "load_scoped"
	ToolProfile        = "profile"
	ToolProposeMatch   = "propose_match"
	ToolInferRules     = "infer_rules"
	ToolBuildRecipe    = "build_recipe"
	ToolValidateRecipe = "validate_recipe"
	ToolSaveRecipe     = "save_recipe"
	ToolRunSample      = "run_sample"
	ToolRunFull        = "run_full"
	ToolExplainRecord  = "explain_record"
	ToolRequestUpload  = "request_file_upload"
)
