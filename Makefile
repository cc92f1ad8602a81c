# The two commands of the README, and those of CONTRIBUTING.md.
.DEFAULT_GOAL := help
.PHONY: help run build test simulate install uninstall fuzz lint format train evaluate fixtures clean static

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: build ## Build attnd and let it listen to a bundled clip
	@echo
	@.build/release/attnd demo

build: packages ## Build the release binary, .build/release/attnd
	@swift build -c release --product attnd

test: packages lint ## Run every test
	@Tests/run.sh

simulate: packages ## Live through simulated worlds (SEEDS=1-20), each ten minutes of sound and its troubles
	@Tests/simulate.sh $(or $(SEEDS),1-20)

install: ## Install attnd with its manual and units (PREFIX=/usr/local, DESTDIR=)
	@test -x .build/static/release/attnd || $(MAKE) static
	@PREFIX=$(or $(PREFIX),/usr/local) DESTDIR=$(DESTDIR) \
		Scripts/install.sh install .build/static/release/attnd

uninstall: ## Remove what install has installed
	@PREFIX=$(or $(PREFIX),/usr/local) DESTDIR=$(DESTDIR) Scripts/install.sh uninstall

static: packages ## Build attnd so that it runs without Swift: .build/static/release/attnd
	@swift build -c release --product attnd --static-swift-stdlib --scratch-path .build/static

fuzz: packages ## Fuzz what reads bytes from outside: models, rows, the socket (SECONDS=600 of each)
	@Tests/Fuzz/run.sh $(or $(SECONDS),600)

lint: ## Check the form of the Swift sources
	@swift format lint --strict --recursive Sources Tests Package.swift

format: ## Bring the Swift sources into form
	@swift format --in-place --recursive Sources Tests Package.swift

train: build ## Train the default model (needs ATTND_DATA and hours), or one of your own (WORD=, POSITIVES=, NEGATIVES=)
	@Training/train.sh

evaluate: build ## Measure how well attnd hears, beside other engines, into Docs/recognition.md (needs ATTND_DATA)
	@Evaluation/evaluate.sh --out Docs

fixtures: ## Make the clips of the demonstration and the tests anew
	@Tests/Fixtures/make.sh

clean: ## Remove what was built
	@rm -rf .build

.PHONY: packages
packages:
	@Scripts/system-packages.sh
