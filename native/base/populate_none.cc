#include "base/populate.h"

namespace synod {

void Populate(std::span<std::uint8_t> range) { TouchPages(range); }

}  // namespace synod
