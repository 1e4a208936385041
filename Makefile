SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
ASSETS := $(or $(KUBEBUILDER_ASSETS),.cache/control-plane)
SERVERS := .cache/servers
# Sentinel's patience on a small machine bears this many groups at a time.
THREADS ?= 3
# How long each fuzz target is fed.
FUZZ_SECONDS ?= 60
# How many masters die at once in the storm.
STORM_GROUPS ?= 300
# What is run again on the other servers.
ELSEWHERE := main_job:: sentinels:: lossless:: yielding:: handover::
# What is run again in a group whose pods are known by their addresses.
BY_ADDRESS ?= $(ELSEWHERE) forgetful::
# And by those of IPv6.
BY_IPV6 ?= sentinels:: yielding:: handover::

# A program that must first relocate itself takes a tenth more of the processor for a hook.
STATIC := -C target-feature=+crt-static -C relocation-model=static

# The tests run what is shipped, and write nothing into the source tree.
TESTED := env ORDAIN=bin/ordain INSTA_UPDATE=no
# What writes and reads in the cluster, in the end-to-end tests.
CLIENT := RUSTFLAGS='$(STATIC)' cargo build --release --locked --package e2e --bin client --target $(HOST)

.PHONY: help demo build image clean test test-full lint model fuzz fuzz-targets chaos docs test-programs decisions stories \
  bench storm control-plane servers cluster cluster-programs e2e e2e-full cluster-down

help: ## Show this help
	@sed -n -e 's/^##@ //p' -e 's/^\([a-z0-9-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 17

##@ Start
# The tests' profile and choice of packages: another would build each crate once more.
demo: servers ## Kill a master, and watch writes, masters and labels
	cargo build --locked --workspace --bin ordain --bin demo
	@hack/isolated target/debug/demo

build: ## Build the static release binary at bin/ordain
	@# The target is named so that proc-macros are not linked statically, too.
	RUSTFLAGS='$(STATIC)' cargo build --release --locked --package ordain --target $(HOST)
	@install -D target/$(HOST)/release/ordain bin/ordain

image: build ## Build the image into .cache/ordain.tar
	@hack/image.sh bin/ordain .cache/ordain.tar

clean: ## Remove what was built; .cache, which is slow to fill, stays
	cargo clean
	rm -rf bin fuzz/target

##@ Test
test: decisions stories ## Get all that is needed, and run every test

test-full: ELSEWHERE = --skip chaos:: --skip storm:: $(NOT_HERE)
test-full: BY_ADDRESS = $(ELSEWHERE)
test-full: BY_IPV6 = $(ELSEWHERE)
# Those builds have no TLS, and what a node or the API server does is the same with each.
test-full: NOT_HERE := --skip tls:: --skip takeover:: --skip manifests:: --skip image:: --skip by_tls
test-full: test ## The same, and every story on every server (two hours)

lint: ## Check format, clippy, and the crates' licences (deny.toml)
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	@hack/deny.sh

model: ## Explore the protocol with large bounds
	cargo run --locked --package model

fuzz: ## Feed what reads input with made-up input (FUZZ_SECONDS)
	@hack/fuzz.sh $(FUZZ_SECONDS)

# Whether they build, for a change of what they call.
fuzz-targets:
	@hack/fuzz.sh

chaos: build servers control-plane ## Faults that a seed draws (CHAOS_ROUNDS, CHAOS_SEED)
	cargo build --locked --workspace --bin chaos
	@hack/isolated target/debug/chaos

docs: ## Write the pages that are made from the code
	@ORDAIN_DOCS=write cargo test --quiet --workspace --locked --lib --bins docs_are_current

# The whole workspace each time: another choice of packages has other features, and all is built once more.
test-programs:
	cargo test --workspace --locked --no-run

# Nothing here has a clock.
decisions: test-programs
	hack/stage "tests of what is decided" $(TESTED) cargo test --workspace --offline --lib --bins -- core::
	hack/stage "the model" cargo test --workspace --offline --test ablations --test holds --test labels

stories: build servers control-plane image test-programs
	hack/stage "unit tests of the rest" $(TESTED) cargo test --workspace --offline --lib --bins -- --skip core::
	hack/stage "tests on $$(redis-server --version | cut -d' ' -f1-3)" $(TESTED) hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) --skip chaos:: --skip storm::
	hack/stage "chaos" $(TESTED) hack/isolated cargo test --workspace --offline --test it -- --test-threads 1 chaos::
	hack/stage "storm" $(TESTED) hack/isolated cargo test --workspace --offline --test it -- --test-threads 1 --nocapture storm::
	hack/stage "tests on Redis 6.2" $(TESTED) REDIS_SERVER=$(SERVERS)/redis-6.2 hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) $(ELSEWHERE)
	hack/stage "tests on Redis 8.2" $(TESTED) REDIS_SERVER=$(SERVERS)/redis-8.2 hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) $(ELSEWHERE)
	hack/stage "tests on Valkey 9" $(TESTED) REDIS_SERVER=$(SERVERS)/valkey-9 hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) $(ELSEWHERE)
	hack/stage "tests by address" $(TESTED) ORDAIN_TEST_ANNOUNCE=ip hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) $(BY_ADDRESS)
	hack/stage "tests by IPv6" $(TESTED) ORDAIN_TEST_ANNOUNCE=ip6 hack/isolated cargo test --workspace --offline --test it -- --test-threads $(THREADS) $(BY_IPV6)

##@ Measure
bench: build servers control-plane ## Measure times, CPU and memory
	cargo build --release --locked --package testbed
	@hack/isolated target/release/bench

storm: build servers control-plane ## Kill the masters of many groups at once (STORM_GROUPS)
	cargo build --release --locked --package testbed --bin storm
	@hack/isolated target/release/storm $(STORM_GROUPS)

##@ Cluster
control-plane: ## Build kube-apiserver, etcd, kubectl into .cache (5 min, once)
	@test -n "$${KUBEBUILDER_ASSETS:-}" || hack/control-plane/build.sh $(ASSETS)

# All that the cluster and its tests need beyond what the stories need.
cluster-programs: servers
	@hack/cluster/able.sh
	@hack/cluster/build.sh .cache/cluster/bin
	@hack/cluster/packages.sh
	@hack/cluster/images.sh .cache/cluster/images $(SERVERS)
	$(CLIENT)

cluster: servers control-plane image cluster-programs ## Start a Kubernetes of three nodes here, as root (NODES)
	@hack/cluster/up

# Also E2E_TOPOLOGY, E2E_ROUNDS, E2E_TIMES; E2E_CLUSTER=existing is the cluster of KUBECONFIG.
e2e: ## What goes wrong on it, and what that costs (SCENARIOS)
	$(CLIENT)
	cargo build --locked --workspace --bin e2e
ifeq ($(E2E_CLUSTER),existing)
	@PATH="$(CURDIR)/$(ASSETS):$$PATH" target/debug/e2e $(SCENARIOS)
else
	@test -d .cache/cluster/run || $(MAKE) cluster
	@hack/cluster/tool.sh target/$(HOST)/release/client .cache/cluster/images
	@hack/cluster/load
	@hack/cluster/storage
	@hack/cluster/enter target/debug/e2e $(SCENARIOS)
endif

# Each overlay of e2e/overlays with all that may go wrong there.
e2e-full: ## Every scenario on every topology (some hours)
	@for overlay in $(filter-out another-group network-storage,$(notdir $(wildcard e2e/overlays/*))); do \
	  hack/stage "end to end: $$overlay" $(MAKE) e2e E2E_TOPOLOGY=$$overlay; done

cluster-down: ## End the cluster, and remove every trace
	@hack/cluster/down

servers:
	@hack/servers.sh $(SERVERS)
