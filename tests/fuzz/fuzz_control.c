/*
 * Arbitrary bytes as a request line of the control socket. Properties: what is accepted is an object with a noun, at most a
 * verb and arguments, within the limits; what is refused has a sentence of one line.
 */
#include <stdint.h>
#include <stdlib.h>

#include "xfed/rt/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds) {
		abort();
	}
}

static size_t depth_of(const json_t *j)
{
	size_t deepest = 0, i;
	const char *key;
	json_t *v;
	if (json_is_object(j)) {
		json_object_foreach((json_t *)(uintptr_t)j, key, v) {
			size_t d = depth_of(v);
			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	json_array_foreach(j, i, v) {
		size_t d = depth_of(v);
		deepest = d > deepest ? d : deepest;
	}
	return json_is_array(j) ? deepest + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *request = NULL;
	char error[160] = "";
	int rc = rt_control_parse(xfed_span_make(data, size), &request, error);
	require((rc == XFED_OK) == (request != NULL));
	if (rc == XFED_OK) {
		const json_t *verb = json_object_get(request, "verb"), *args = json_object_get(request, "args");
		require(size <= XFED_CONTROL_REQUEST_BYTES);
		require(json_is_string(json_object_get(request, "noun")));
		require((!verb || json_is_string(verb)) && (!args || json_is_object(args)));
		require(json_object_size(request) <= 3);
		require(depth_of(request) <= RT_CONTROL_DEPTH);
	} else {
		require(error[0] != '\0' && !strchr(error, '\n'));
	}
	json_decref(request);
	return 0;
}
