# Penstock. `make run` builds and starts everything on this machine, `make test` proves it; `make help` lists the rest.

GO        ?= go
BUILD     := build
BINARY    := $(BUILD)/penstock
TOOLS     := $(BUILD)/tools
VENV      := $(BUILD)/venv
# remove_all_sd leaves out the Prometheus receiver's service discovery, 28 MB of cloud SDKs; static configs and files stay, and
# Kubernetes comes back, whose client is linked anyway.
TAGS      := remove_all_sd enable_kubernetes_sd
LDFLAGS   := -s -w
# Code that never runs per record is compiled without inlining, which takes 10 MB off: Arrow's kernels (Parquet's encoder
# links all of them for one cast), cloud and Kubernetes clients, OpenAPI descriptions.
COLD      := github.com/apache/arrow-go/v18/arrow/compute k8s.io sigs.k8s.io github.com/aws github.com/Azure cloud.google.com github.com/googleapis \
             github.com/pb33f github.com/google/gnostic-models gonum.org github.com/leodido google.golang.org/api go.yaml.in github.com/goccy/go-yaml \
             github.com/twmb/franz-go/pkg/kmsg github.com/twmb/franz-go/pkg/kadm github.com/elastic/lunes
GCFLAGS   := $(foreach package,$(COLD),-gcflags=$(package)/...=-l)
PROFILE   ?= standalone
CROSS     ?= linux-arm64 darwin-arm64 windows-amd64
PKGS      ?= ./...
FUZZTIME  ?= 20s
COMPONENTS = $(sort $(dir $(wildcard */*/metadata.yaml)))

export PATH := $(CURDIR)/$(TOOLS):$(PATH)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.PHONY: run
run: build ## Build and start (PROFILE=standalone, agent or gateway)
	$(BINARY) --config profile:$(PROFILE)

.PHONY: demo
demo: build ## Build, start, and send a small shop for two minutes: something to see in every view of the console
	cd testbed && $(GO) build -o ../$(BUILD)/shop ./demo
	cd testbed && ../$(BUILD)/shop

.PHONY: build
build: $(BUILD)/src/run.go ## Build the distribution: build/penstock
	cd $(BUILD)/src && CGO_ENABLED=0 $(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' $(GCFLAGS) -o ../penstock .

# ocb generates the program from the manifest, and our run() takes the place of the generated one: that makes the command
# line the one of internal/command. run.go goes away again when its modules can't be fetched, so that make tries again.
COMMAND   := github.com/penstockhq/penstock/internal/command
$(BUILD)/src/run.go: builder-config.yaml go.mod internal/command/go.mod internal/command/_main/run.go | $(TOOLS)/builder
	rm -rf $(BUILD)/src
	$(TOOLS)/builder --config builder-config.yaml --skip-compilation
	rm $(BUILD)/src/main_others.go $(BUILD)/src/main_windows.go
	cd $(BUILD)/src && $(GO) mod edit -require $(COMMAND)@v0.1.0 -replace $(COMMAND)=../../internal/command
	cp internal/command/_main/run.go $@
	cd $(BUILD)/src && $(GO) mod tidy || { rm $(notdir $@); exit 1; }

# The tools have a module of their own, so that nobody who takes one component gets them.
$(TOOLS)/%: internal/tools/go.mod
	cd internal/tools && $(GO) build -o ../../$(TOOLS)/ tool

.PHONY: test
test: lint check-generated unit build smoke ## Everything that needs only Go and a C compiler

# Packages of one goroutine whose random tests are long: a race detector finds nothing there and takes twenty times as long.
SERIAL    := internal/columnar exporters/parquetexporter/internal/rows \
             internal/delivery/simulation processors/piiscrubberprocessor/internal/corpus processors/piiscrubberprocessor/internal/corpus/foreign \
             processors/windowrollupprocessor/internal/rollup extensions/embeddedkafkaextension/internal/commitlog \
             extensions/lakeextension/internal/keeper

.PHONY: unit
unit: ## Unit tests of the components, the commands and the telemetry, with the race detector; 16 200 simulated schedules of crashes, lost answers and cut logs
	$(GO) test -race -timeout 20m $$($(GO) list $(PKGS) | grep -v $(foreach package,$(SERIAL),-e '/$(package)$$'))
	$(GO) test -timeout 40m $(addprefix ./,$(SERIAL))
	cd internal/command && $(GO) test -race ./...
	cd telemetry/protectedtelemetry && $(GO) test -race ./...

.PHONY: simulation
simulation: ## 67 500 simulated schedules of crashes, lost answers and cut logs (twelve minutes)
	$(GO) test -count=1 -timeout 60m ./internal/delivery/simulation -args -schedules 2500

.PHONY: power-cuts
power-cuts: ## 200 power cuts of embedded_logs: copies of its directory with what was fsynced alone, or with a random part of the rest (three minutes)
	$(GO) test -count=1 -timeout 70m -tags full -v -run '^TestPowerCuts$$' ./extensions/embeddedlogsextension/internal/store

.PHONY: smoke
smoke: build ## The built binary, driven by a Go SDK
	cd testbed && $(GO) test -count=1 -timeout 20m ./smoke/...

.PHONY: testbed
testbed: build $(VENV)/.ready kafka chromium ## The built binary against real SDKs and readers (fetches Python packages and Kafka); smoke is make test's
	cd testbed && PENSTOCK_PYTHON=$(CURDIR)/$(VENV)/bin/python $(GO) test -count=1 -timeout 40m $$($(GO) list ./... | grep -v /smoke$$)

.PHONY: testbed-full
testbed-full: build previous $(VENV)/.ready backends ## Crash loops, load, real Prometheus, Loki and Kafka (an hour)
	cd testbed && PENSTOCK_PYTHON=$(CURDIR)/$(VENV)/bin/python $(GO) test -count=1 -timeout 120m -tags full ./...

# The last release; while there is none, the newest commit that is a day old. Its tools are ours: they are pinned in both.
PREVIOUS  ?= $(shell git describe --tags --abbrev=0 2>/dev/null || git rev-list -1 --before='1 day ago' HEAD)
$(BUILD)/previous/penstock: | $(TOOLS)/builder
	@[ -n '$(PREVIOUS)' ] || { echo 'no earlier commit here: fetch the history, or name one with PREVIOUS='; exit 1; }
	rm -rf $(BUILD)/previous && mkdir -p $(BUILD)/previous/src/$(BUILD)
	git archive $(PREVIOUS) | tar -x -C $(BUILD)/previous/src
	cp -r $(TOOLS) $(BUILD)/previous/src/$(TOOLS)
	$(MAKE) -C $(BUILD)/previous/src build
	mv $(BUILD)/previous/src/$(BINARY) $@
	rm -rf $(BUILD)/previous/src

.PHONY: previous
previous: $(BUILD)/previous/penstock ## Build the last release: build/previous/penstock (PREVIOUS=commit names another)

.PHONY: faults
faults: build previous $(VENV)/.ready ## A hundred random kills, ends, refusals, full disks and dead connections, counted from outside, beside a stock collector; the report is in build/faults (two hours, as root)
	$(MAKE) -C testbed/backends otelcol prometheus loki
	cd testbed && PENSTOCK_PYTHON=$(CURDIR)/$(VENV)/bin/python $(GO) test -count=1 -timeout 280m -tags full -v ./faults -args -rounds 100 -report $(CURDIR)/$(BUILD)/faults

.PHONY: backends
backends: ## Build or fetch the real stores that testbed-full drives
	$(MAKE) -C testbed/backends

.PHONY: java
java: ## Fetch the OpenTelemetry SDK for Java from Maven (needs mvn and Java 17)
	$(MAKE) -C testbed/sdk/java

.PHONY: kafka
kafka: ## Fetch Apache Kafka's jars from Maven (needs mvn and Java 17)
	$(MAKE) -C testbed/backends kafka

$(VENV)/.ready: testbed/sdk/python/requirements.txt
	@command -v python3 >/dev/null || { echo 'make testbed needs python3 (3.9 or newer) with venv: the Python SDK and DuckDB run in it'; exit 1; }
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

.PHONY: chromium
chromium: ## Install Debian's Chromium, if there is none: the console's test opens it
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { as=; [ "$$(id -u)" = 0 ] || as=sudo; \
		for attempt in 1 2 3; do \
			$$as apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$as apt-get install -y -qq --no-install-recommends chromium && exit 0; sleep 5; \
		done; echo 'make testbed needs Chromium, and apt-get could not install it'; exit 1; }

.PHONY: pictures
pictures: build chromium ## Take the pictures of docs/pictures from the console's test
	cd testbed && $(GO) test -count=1 -run TestPictures ./console -args -screenshots $(CURDIR)/$(BUILD)/pictures
	mkdir -p docs/pictures
	for view in overview guard logs; do cp $(BUILD)/pictures/docs-$$view.png docs/pictures/$$view.png; done

.PHONY: bench
bench: ## Benchmarks beside the code, and against peers
	$(GO) test -run '^$$' -bench . -benchmem $(PKGS)
	cd testbed && $(GO) test -run '^$$' -bench . -benchmem ./bench/...

.PHONY: bench-pii
bench-pii: ## pii_scrubber: precision, recall and F1 per detector; MB/s against contrib's redaction
	$(GO) test -count=1 -run 'TestScores|TestHandWritten|TestForeignScores' -v ./processors/piiscrubberprocessor/internal/corpus/...
	$(GO) test -count=1 -run 'TestRatesOfTheThings' -v ./processors/piiscrubberprocessor/internal/corpus -args -rates
	$(GO) test -run '^$$' -bench Detector ./processors/piiscrubberprocessor/internal/corpus
	cd testbed && $(GO) test -run '^$$' -bench . -benchtime 9x ./bench/pii

.PHONY: bench-numbers
bench-numbers: build ## Metrics against peers, five interleaved pairs, CPU time: remote write, guard over pass-through, rollups (half an hour, on an idle machine)
	cd testbed && $(GO) test -run '^$$' -bench AgainstContrib -benchtime 5x -timeout 60m ./bench/remotewrite
	cd testbed && $(GO) test -run '^$$' -bench 'Pipeline/series=100000$$' -benchtime 5x -timeout 60m ./bench/guard
	cd testbed && $(GO) test -run '^$$' -bench Against -benchtime 5x -timeout 60m ./bench/rollup
	cd testbed && $(GO) test -run '^$$' -bench 'Linear|Bytes' -benchtime 1x -timeout 60m ./bench/rollup

.PHONY: figures
figures: ## Run the benchmarks whose figures documents quote, write testbed/figures/report.md and the documents (three hours, on an idle machine; FIGURES="bench/lake quota" takes some)
	cd testbed && $(GO) run ./figures/collect $(FIGURES)

.PHONY: update-figures
update-figures: ## Write the report's figures into the documents that mark them, without running a benchmark
	cd testbed && $(GO) run ./figures/collect -update

.PHONY: check-figures
check-figures: ## Fail when a document quotes another figure than the benchmarks measured last, or a measured one without a source
	cd testbed && $(GO) test -count=1 -v ./figures

.PHONY: cross
cross: $(BUILD)/src/run.go ## Build the distribution for other systems: build/penstock-<os>-<arch>, .exe for Windows
	@set -e; for target in $(CROSS); do echo "$$target"; \
		(cd $(BUILD)/src && GOOS=$${target%-*} GOARCH=$${target#*-} CGO_ENABLED=0 $(GO) build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' $(GCFLAGS) -o ../penstock-$$target$$(GOOS=$${target%-*} $(GO) env GOEXE) .); done

.PHONY: vulncheck
vulncheck: $(TOOLS)/govulncheck ## Known vulnerabilities in what the code calls (asks the Go vulnerability database)
	@set -e; for module in . internal/command telemetry/protectedtelemetry testbed; do (cd $$module && $(CURDIR)/$(TOOLS)/govulncheck ./...); done

.PHONY: lint
lint: $(TOOLS)/staticcheck ## gofmt, vet, staticcheck and go mod tidy over every module
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt these:"; echo "$$unformatted"; exit 1; }
	$(GO) mod tidy -diff
	cd internal/command && $(GO) mod tidy -diff
	cd telemetry/protectedtelemetry && $(GO) mod tidy -diff
	cd testbed && $(GO) mod tidy -diff
	cd internal/tools && $(GO) mod tidy -diff
	cd testbed/backends/prometheus/server && $(GO) mod tidy -diff
	$(GO) vet ./...
	$(CURDIR)/$(TOOLS)/staticcheck ./...
	cd internal/command && $(GO) vet ./... && $(CURDIR)/$(TOOLS)/staticcheck ./...
	cd internal/command && GOOS=windows $(GO) vet ./internal/program && GOOS=darwin $(GO) vet ./internal/program
	cd telemetry/protectedtelemetry && $(GO) vet ./... && $(CURDIR)/$(TOOLS)/staticcheck ./...
	cd testbed && $(GO) vet ./... && $(CURDIR)/$(TOOLS)/staticcheck ./...

.PHONY: generate
generate: $(TOOLS)/mdatagen ## Generate metadata code and documentation from every metadata.yaml, and docs/reference.md
	$(GO) generate $(addprefix ./,$(addsuffix ...,$(COMPONENTS)))
	cd internal/command && PENSTOCK_WRITE_GOLDEN=1 $(GO) test -count=1 -run TheReference .

.PHONY: check-generated
check-generated: generate ## Fail when generated files differ from what is committed
	@changed=$$(git status --porcelain -- '*generated_*' '*/internal/metadata*' '*documentation.md' '*README.md' docs/reference.md); \
	[ -z "$$changed" ] || { echo "run 'make generate' and commit:"; echo "$$changed"; exit 1; }

.PHONY: fuzz
fuzz: ## Every fuzz test for FUZZTIME (20s)
	@set -e; for f in $$(grep -rl --include='*_test.go' '^func Fuzz' $(filter-out $(BUILD),$(wildcard internal receivers processors exporters extensions providers))); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
			echo "$$f $$name"; $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); done; done

.PHONY: clean
clean: ## Remove build output
	rm -rf $(BUILD)
