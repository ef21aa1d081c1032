// Part of the Muduo stand-in: Muduo's names on top of libevent, for demos and tests. This is not Muduo.
#ifndef MUDUO_STANDIN_BASE_WEAKCALLBACK_H
#define MUDUO_STANDIN_BASE_WEAKCALLBACK_H

#include <functional>
#include <memory>
#include <utility>

namespace muduo
{

// Calls a member function if the object is still alive, does nothing otherwise.
template <typename CLASS, typename... ARGS>
class WeakCallback
{
 public:
  WeakCallback(const std::weak_ptr<CLASS>& object, const std::function<void(CLASS*, ARGS...)>& function)
      : object_(object), function_(function)
  {
  }

  void operator()(ARGS&&... args) const
  {
    if (std::shared_ptr<CLASS> alive = object_.lock()) function_(alive.get(), std::forward<ARGS>(args)...);
  }

 private:
  std::weak_ptr<CLASS> object_;
  std::function<void(CLASS*, ARGS...)> function_;
};

template <typename CLASS, typename... ARGS>
WeakCallback<CLASS, ARGS...> makeWeakCallback(const std::shared_ptr<CLASS>& object, void (CLASS::*function)(ARGS...))
{
  return WeakCallback<CLASS, ARGS...>(object, function);
}

template <typename CLASS, typename... ARGS>
WeakCallback<CLASS, ARGS...> makeWeakCallback(const std::shared_ptr<CLASS>& object,
                                              void (CLASS::*function)(ARGS...) const)
{
  return WeakCallback<CLASS, ARGS...>(object, function);
}

}  // namespace muduo

#endif
