# What a developer does here. `make help` lists it.
# Tools that are missing are installed with apt-get; nothing else outside the directory is changed.
target  := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
binary  := target/$(target)/release/pulp-init
PREFIX  ?= /usr/local
# Fully static, so that it runs in an image without any library. Not position-independent: a PIE's relocations
# cost 220 KiB of private memory in every container. --target keeps these flags away from proc macros.
static_flags := -C target-feature=+crt-static -C relocation-model=static
# Rust links with lld here, which can fold functions that are the same: 1 % less. GNU ld, elsewhere, cannot.
# Where cargo and Rust are on this machine is to be in no program (make reproducible).
static_flags += --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
static_flags += --remap-path-prefix=$(shell rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust=/rustc
ifeq ($(target),x86_64-unknown-linux-gnu)
static_flags += -C link-arg=-Wl,--icf=all
# Cargo links in this directory, so the path means the same wherever it is.
static_flags += -C link-arg=-Wl,-T,scripts/no-unwind-tables.ld
endif

.PHONY: help build image image-galaxy images run run-galaxy stop demo demo-stop test lint docs instructions bench bench-quick bench-boot bench-serve bench-work chaos fuzz mutants audit reproducible lock install clean
help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

build:           ## the static release binaries
	@scripts/need-cargo.sh
	RUSTFLAGS='$(static_flags)' scripts/cargo-build.sh --release --locked --target $(target) --workspace --bins

# System calls that fail on request: for tests of faults only, and never installed, so what the linker could still make smaller
# is not worth its minute. The other programs are those that ship.
.PHONY: build-faulty test-console test-ship test-known test-ui test-workflows
build-faulty: build
	RUSTFLAGS='$(static_flags)' cargo build --release --locked --target $(target) --target-dir target/faults \
	    --config 'profile.release.lto="off"' --config profile.release.codegen-units=16 -p pulp-init --features faults --bins
	cp $(dir $(binary))svctl $(dir $(binary))init-probe target/faults/$(target)/release/

image: build     ## the Pulp image, localhost/pulp
	@scripts/image.sh $(binary)

image-galaxy: build ## Ansible Galaxy: localhost/galaxy, localhost/galaxy-minimal and localhost/galaxy-web
	@PRODUCT=galaxy scripts/image.sh $(binary) minimal web pulp

run-galaxy: image-galaxy ## starts Galaxy on http://localhost:8080 and waits until it is ready
	@PRODUCT=galaxy scripts/run.sh

images: build    ## Pulp, and one process a container: localhost/pulp-minimal and localhost/pulp-web
	@scripts/image.sh $(binary) minimal web pulp

run: image       ## starts Pulp on http://localhost:8080 and waits until it is ready
	@scripts/run.sh

stop:            ## stops and removes it; its data stays
	@scripts/stop.sh

demo: build      ## the supervisor without Pulp: nginx, redis and PostgreSQL under /init
	@scripts/demo-image.sh $(binary)
	@scripts/demo-run.sh

demo-stop:       ## stops and removes that
	@scripts/demo-stop.sh

compose-images: images ## the images of compose and Kubernetes: pulp-minimal, -web, -postgres, -redis
	@scripts/compose-images.sh $(binary)

test-compose: compose-images ## compose with podman-compose and docker-compose, and the data in one container
	@scripts/compose.sh podman volumes
	@scripts/compose.sh podman folders up swap
	@scripts/compose.sh docker volumes

test-galaxy: image-galaxy ## Galaxy with the real ansible-galaxy, in a browser, in compose; the tests of the image that hold for it
	@TAG=galaxy scripts/compose-images.sh $(binary)
	@scripts/galaxy.sh

test-console: build ## `svctl serve` with the real Prometheus and in a browser; pictures in .cache/console
	@scripts/console.sh

test-ship: build  ## `svctl ship` with the real rsyslog and a real collector of OpenTelemetry
	@scripts/ship.sh

test-known: build ## images of others whose init is s6-overlay, supervisord and a script, with ours in its place; KNOWN=DIR has checkouts
	@scripts/known-images.sh $(binary)

test-ui: image   ## Pulp's web interface in a browser; UI=DIR has what was built of pulp-ui; pictures in .cache/ui
	@scripts/ui.sh '$(UI)'

test-workflows: image ## what Pulp's documentation promises, with the clients that people use; writes docs/workflows.md
	@scripts/workflows.sh

test-bring: images ## all that people bring to the images, at length (some 40 minutes): big uploads, load, hostile users
	@scripts/bring.sh $(binary)

test-kube: compose-images ## manifests against the schemas, the pod with podman, the Quadlet unit
	@scripts/kube.sh

test-scale: compose-images ## replicas, a standby of PostgreSQL, S3: figures, rolling restart, failover
	@scripts/scale.sh
	@scripts/compose.sh podman volumes up figures

test: build      ## everything: checks, unit tests, real processes, containers
	@scripts/test.sh $(binary)

lint: build      ## formatting, clippy, docs, scripts, and what the binary must be
	@scripts/lint.sh $(binary)

docs:            ## generates man pages, completions, the schema and the state diagram
	@scripts/docs.sh

instructions: build ## counts the instructions of init; fails if they are more than they were (UPDATE=1: take them over)
	@scripts/instructions.sh $(binary)

bench: build     ## us beside the peers and the physical floor; checks the bars
	@scripts/bench.sh $(binary) full

bench-quick: build ## the same with three runs, and no peers
	@scripts/bench.sh $(binary) quick

bench-boot: image ## how fast the Pulp image boots and stops, beside the floor
	@scripts/bench-boot.sh

bench-serve: image ## how fast the Pulp image serves content and the API, beside a plain nginx
	@scripts/bench-serve.sh

bench-work: image ## how the Pulp image does under work: tasks, many requests, missing paths, long listings, pulls, syncs
	@scripts/bench-work.sh

chaos: image     ## kills random processes of Pulp for CHAOS_MINUTES (30) while clients work
	@scripts/chaos.sh

fuzz:            ## each fuzz target for FUZZ_SECONDS (600)
	@scripts/fuzz.sh

mutants:         ## makes mistakes in src/plan and src/core: the unit tests must notice 90 % of them
	@scripts/mutants.sh

audit:           ## licences, bans and sources of all crates, and known vulnerabilities, as cargo-deny judges them
	@scripts/audit.sh

reproducible:    ## builds the programs twice in different folders: they must be the same, byte by byte
	@scripts/reproducible.sh

lock:            ## resolves anew what pip installs in the images: images/*/requirements.lock
	@scripts/lock.sh

install: build   ## under DESTDIR, PREFIX=/usr/local
	install -D -m 755 $(binary) '$(DESTDIR)$(PREFIX)/bin/pulp-init'
	install -D -m 755 $(dir $(binary))svctl '$(DESTDIR)$(PREFIX)/bin/svctl'
	install -D -m 755 $(dir $(binary))init-probe '$(DESTDIR)$(PREFIX)/libexec/init-probe'
	for page in docs/man/*.[1-8]; do [ ! -e "$$page" ] || \
	    install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"; done

clean:           ## removes the demonstration, its database, its images and .cache; keeps target/
	@scripts/clean.sh
