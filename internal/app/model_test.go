package app

import (
	"strings"
	"testing"

	"kalla"
	"kalla/internal/agent"
	"kalla/internal/testenv"
)

// TestModel: which model is asked follows from what is set.
func TestModel(t *testing.T) {
	for name, x := range map[string]struct {
		cfg  ModelConfig
		want agent.ModelInfo
	}{
		"anthropic": {ModelConfig{AnthropicKey: "k"}, agent.ModelInfo{Provider: "anthropic", Model: "claude-sonnet-5-5", InputPrice: "2", OutputPrice: "10", CacheReadPrice: "0.1", CacheWritePrice: "2.5"}},
		"unpriced":  {ModelConfig{AnthropicKey: "k", Name: "claude-of-tomorrow"}, agent.ModelInfo{Provider: "anthropic", Model: "claude-of-tomorrow"}},
		"local":     {ModelConfig{AnthropicKey: "k", URL: "http://localhost:11434/v1", Name: "qwen3"}, agent.ModelInfo{Provider: "openai", Model: "qwen3"}},
		"priced":    {ModelConfig{URL: "http://localhost:11434/v1", Name: "qwen3", Prices: "0.5, 1.50"}, agent.ModelInfo{Provider: "openai", Model: "qwen3", InputPrice: "0.5", OutputPrice: "1.5", CacheReadPrice: "0.5", CacheWritePrice: "0.5"}},
	} {
		m, err := Model(x.cfg)
		if err != nil || m.Info() != x.want {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	if m, err := Model(ModelConfig{Name: "qwen3", Key: "k"}); m != nil || err != nil {
		t.Errorf("without anything it is %v, %v", m, err)
	}
	for _, cfg := range []ModelConfig{{URL: "http://localhost:11434/v1"}, {URL: "localhost", Name: "m"}, {AnthropicKey: "k", Prices: "2"}, {AnthropicKey: "k", Prices: "-1,2"}} {
		if _, err := Model(cfg); kalla.CodeOf(err) != kalla.CodeUsage {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestModelProxy: a model is reached by way of the proxy that the environment names.
func TestModelProxy(t *testing.T) {
	s := testenv.Model(t, "../agent/modeltest/testdata/hello.json")
	env := map[string]string{"http_proxy": s.URL}
	m, err := Model(ModelConfig{AnthropicKey: s.Key, AnthropicURL: "http://models.example.com", LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.Stream(t.Context(), agent.Request{System: "s", Messages: []agent.Message{{Role: agent.User, Parts: []agent.Part{{Text: "hello"}}}}}, nil)
	if err != nil || !strings.HasPrefix(r.Message.Parts[0].Text, "Hello") {
		t.Errorf("%+v, %v", r, err)
	}
}
