/*
 * Replays files and directories (one level) through a fuzz target, so that the corpus is a regression test with every
 * compiler. Prints how many inputs ran; none at all is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs;

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return 1;
	}
	size_t size = 0, room = 4096;
	uint8_t *data = malloc(room);
	while (data) {
		size += fread(data + size, 1, room - size, f);
		if (size < room) {
			break;
		}
		room *= 2;
		uint8_t *more = realloc(data, room);
		if (!more) {
			free(data);
		}
		data = more;
	}
	int rc = !data || ferror(f);
	fclose(f);
	if (rc) {
		fprintf(stderr, "%s: cannot be read\n", path);
		free(data);
		return 1;
	}
	/* An allocation of exactly the input's size, so that the sanitizer sees a read one byte behind it. */
	uint8_t *exact = malloc(size ? size : 1);
	if (!exact) {
		free(data);
		return 1;
	}
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	inputs++;
	return 0;
}

static int replay_dir(const char *path)
{
	DIR *d = opendir(path);
	if (!d) {
		perror(path);
		return 1;
	}
	int rc = 0;
	struct dirent *e;
	while ((e = readdir(d))) {
		char file[4096];
		if (e->d_name[0] != '.' && snprintf(file, sizeof(file), "%s/%s", path, e->d_name) < (int)sizeof(file)) {
			rc |= replay_file(file);
		}
	}
	closedir(d);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = 0;
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) != 0) {
			perror(argv[i]);
			rc = 1;
		} else {
			rc |= S_ISDIR(st.st_mode) ? replay_dir(argv[i]) : replay_file(argv[i]);
		}
	}
	printf("%lu inputs replayed\n", inputs);
	return rc || inputs == 0;
}
