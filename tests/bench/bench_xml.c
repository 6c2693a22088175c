/* What reading and writing a chat message costs. Run a release build; prints nanoseconds per message. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "xfed/limits.h"
#include "xfed/xml.h"

#define ROUNDS 100000
#define BATCH  32

#define HEADER                                                                                                                                       \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "                                               \
	"xmlns:stream='http://etherx.jabber.org/streams' from='partner.example' to='ours.example' "                                                  \
	"version='1.0' id='3f9a'>"
#define MESSAGE                                                                                                                                      \
	"<message from='juliet@partner.example/balcony-3f2a' to='romeo@ours.example' type='chat' "                                                   \
	"id='b4c1f7a2-77aa' xml:lang='en'><body>Art thou not Romeo? 0123456789 &amp; more</body>"                                                    \
	"<thread>e0ffe42b28561960c6b1</thread><active xmlns='http://jabber.org/protocol/chatstates'/>"                                               \
	"</message>"

static const char message[] = MESSAGE;
static const struct xfed_xml_limits limits = { XFED_STANZA_BYTES_DEFAULT, XFED_XML_DEPTH_MAX, XFED_XML_NODES_MAX };

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_xml: %s\n", what);
		exit(1);
	}
}

static struct xfed_xml_reader *open_stream(void)
{
	struct xfed_xml_reader *r;
	size_t used;
	require(xfed_xml_reader_new(&limits, &r) == XFED_OK, "no reader");
	require(xfed_xml_reader_feed(r, XFED_SPAN(HEADER), &used) == XFED_XML_HEADER, "no header");
	return r;
}

static void bench_stream(const char *name, size_t batch, size_t chunk)
{
	size_t len = sizeof(message) - 1, total = len * batch;
	char *input = malloc(total);
	require(input != NULL, "no memory");
	for (size_t i = 0; i < batch; i++) {
		memcpy(input + i * len, message, len);
	}
	struct xfed_xml_reader *r = open_stream();
	size_t count = 0;
	double start = now_ns();
	while (count < ROUNDS) {
		for (size_t at = 0; at < total;) {
			size_t used, n = total - at < chunk ? total - at : chunk;
			count += xfed_xml_reader_feed(r, xfed_span_make(input + at, n), &used) == XFED_XML_ELEMENT;
			at += used;
		}
	}
	printf("%-40s %6.0f ns\n", name, (now_ns() - start) / (double)count);
	xfed_xml_reader_free(r);
	free(input);
}

static void bench_fragment(void)
{
	struct xfed_xml_reader *r;
	require(xfed_xml_reader_new_fragment(&limits, &r) == XFED_OK, "no reader");
	double start = now_ns();
	for (size_t i = 0; i < ROUNDS; i++) {
		require(xfed_xml_reader_fragment(r, XFED_SPAN(MESSAGE)) == XFED_XML_ELEMENT, "fragment refused");
	}
	printf("%-40s %6.0f ns\n", "fragment", (now_ns() - start) / ROUNDS);
	struct xfed_buf out;
	xfed_buf_init(&out, XFED_STANZA_BYTES_MAX);
	start = now_ns();
	for (size_t i = 0; i < ROUNDS; i++) {
		xfed_buf_clear(&out);
		require(xfed_xml_write(&out, xfed_xml_reader_elem(r), XFED_SPAN(XFED_NS_SERVER)) == XFED_OK, "not written");
	}
	printf("%-40s %6.0f ns (%zu bytes)\n", "write", (now_ns() - start) / ROUNDS, xfed_buf_len(&out));
	xfed_buf_deinit(&out);
	xfed_xml_reader_free(r);
}

static void bench_wake(void)
{
	struct xfed_xml_reader *r = open_stream();
	size_t used, rounds = ROUNDS / 10;
	double start = now_ns();
	for (size_t i = 0; i < rounds; i++) {
		xfed_xml_reader_hibernate(r);
		require(xfed_xml_reader_feed(r, XFED_SPAN(MESSAGE), &used) == XFED_XML_ELEMENT, "not awake");
	}
	printf("%-40s %6.0f ns\n", "message that wakes a hibernating reader", (now_ns() - start) / (double)rounds);
	xfed_xml_reader_free(r);
}

int main(void)
{
	require(xfed_xml_global_init() == XFED_OK, "libxml2");
	printf("message of %zu bytes\n", sizeof(message) - 1);
	bench_stream("one message a read", 1, sizeof(message));
	bench_stream("32 messages a read", BATCH, BATCH * sizeof(message));
	bench_stream("reads of 100 bytes", BATCH, 100);
	bench_stream("reads of 1 byte", BATCH, 1);
	bench_fragment();
	bench_wake();
	xfed_xml_global_deinit();
	return 0;
}
