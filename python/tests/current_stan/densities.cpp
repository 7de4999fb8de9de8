// Log densities and their gradients, and posterior draws, of programs that stanc has
// translated. programs.hpp, which is written by __init__.py, includes them all: compiled
// together they share what their templates have in common.
//
//   densities PROGRAM DATA.json points         points on standard input, one a line, without
//                                              constraints; writes log density and gradient
//   densities PROGRAM DATA.json sample SEED WARMUP DRAWS    writes CSV
//
// `points` first writes the number of parameters without constraints.

#include <memory>
#include <stan/io/var_context.hpp>
#include <stan/model/model_base.hpp>
using Model = std::unique_ptr<stan::model::model_base>;

#include "programs.hpp"  // Model named(const std::string&, stan::io::var_context&)

#include <stan/model/log_prob_grad.hpp>
#if __has_include(<stan/io/json/json_data.hpp>)
#include <stan/io/json/json_data.hpp>
namespace json = stan::json;
#else  // CmdStan 2.27
#include <cmdstan/io/json/json_data.hpp>
namespace json = cmdstan::json;
#endif
#ifdef SAMPLE
#include <stan/callbacks/interrupt.hpp>
#include <stan/callbacks/stream_logger.hpp>
#include <stan/callbacks/stream_writer.hpp>
#include <stan/io/empty_var_context.hpp>
#include <stan/services/sample/hmc_nuts_diag_e_adapt.hpp>
#include <stan/services/util/create_unit_e_diag_inv_metric.hpp>
#endif
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

int points(stan::model::model_base& model) {
  std::vector<double> point(model.num_params_r()), gradient;
  std::vector<int> none;
  std::cout.precision(17);
  std::cout << point.size() << '\n' << std::flush;
  while (true) {
    for (auto& x : point) std::cin >> x;
    if (!std::cin) return 0;
    std::cout << stan::model::log_prob_grad<true, true>(model, point, none, gradient, &std::cerr);
    for (auto x : gradient) std::cout << ' ' << x;
    std::cout << std::endl;
  }
}

#ifdef SAMPLE
int sample(stan::model::model_base& model, int seed, int warmup, int draws) {
  stan::callbacks::interrupt interrupt;
  stan::callbacks::stream_logger logger(std::cerr, std::cerr, std::cerr, std::cerr, std::cerr);
  stan::callbacks::writer ignored;
  stan::callbacks::stream_writer csv(std::cout, "# ");
  stan::io::empty_var_context start;
  auto metric = stan::services::util::create_unit_e_diag_inv_metric(model.num_params_r());
  // CmdStan's own defaults.
  return stan::services::sample::hmc_nuts_diag_e_adapt(
      model, start, metric, seed, 1, 2, warmup, draws, 1, false, 0, 1, 0, 10, 0.8, 0.05, 0.75, 10,
      75, 50, 25, interrupt, logger, ignored, csv, ignored);
}
#endif

int main(int argc, char** argv) {
  std::ifstream file(argv[2]);
  json::json_data data(file);
  Model model = named(argv[1], data);
#ifdef SAMPLE
  if (std::string(argv[3]) == "sample")
    return sample(*model, std::stoi(argv[4]), std::stoi(argv[5]), std::stoi(argv[6]));
#endif
  return points(*model);
}
