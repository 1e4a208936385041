FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN make build

FROM scratch
COPY --from=build /src/bin/ordain /ordain
USER 65532:65532
ENTRYPOINT ["/ordain"]
