# What people do daily. Everything here is plain commands: nothing to install first.

.PHONY: all build test clusters race lint fmt simulate demo bench measure servers cluster record snapshot clean

all: lint test build

build: ## the program, as ./backout
	go build -o backout ./cmd/backout

test: ## the inner loop; what needs a missing server or a cluster skips, loudly
	go test ./...

clusters: servers ## with the tests on Kubernetes clusters, two packages at a time
	BACKOUT_TEST_CLUSTERS=true go test -p 2 ./...

race: servers ## as CI does: with the race detector, and nothing may skip
	CI=true go test -race ./...

SEEDS ?= 10000
simulate: ## small worlds in which everything goes wrong, each whole in its seed: make simulate SEEDS=1000000
	SEEDS=$(SEEDS) go test -count=1 -timeout 0 -v -run '^TestSimulate$$' ./rollback

lint: ## golangci-lint v2, as configured in .golangci.yml
	golangci-lint run ./...

fmt:
	golangci-lint fmt ./...

demo: ## a real incident, to be cured by you
	go run ./cmd/backout demo

bench: ## every budget, beside its named peer, in one table
	go run ./test/bench

measure: ## how good the ranking is on incident files: make measure FILES=...
	go run ./test/measure $(FILES)

servers: ## build the pinned servers that tests use into the user's cache
	go run ./test/servers/get

cluster: ## a Kubernetes control plane to try things on, without containers, until interrupted: make cluster WITH=-rollouts (or -flux)
	@go run ./test/servers/up $(WITH)

record: ## the screenshots in docs/, from the real program (tmux, rsvg-convert)
	docs/screenshots/record.sh

snapshot: ## all release archives, into dist/
	goreleaser release --snapshot --clean --skip=publish

clean:
	rm -rf backout dist dist-extra
