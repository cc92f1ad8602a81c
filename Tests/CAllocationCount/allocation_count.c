#include "allocation_count.h"
